//! Counters by family and label values, found again fast: records of a kind mostly count what the last one of that kind did. What is counted is
//! not known here.

use std::collections::BTreeMap;

use jetlag_model::Text;

use crate::counted::Family;

/// The values of a family's labels, in its order.
pub(crate) type Values = [Option<Text>; 3];

#[derive(Clone, Debug)]
struct Counter {
    values: Values,
    count: u64,
}

impl Counter {
    fn has(&self, values: [Option<&Text>; 3]) -> bool {
        let same = |place: usize| self.values[place].as_ref() == values[place];
        same(0) && same(1) && same(2)
    }
}

/// Counters, in the order of families and values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    places: BTreeMap<(Family, Values), usize>,
    counters: Vec<Counter>,
    /// By family, the counter that counted last.
    last: Vec<Option<usize>>,
}

impl Counters {
    /// Counts one more.
    pub(crate) fn count(&mut self, family: Family, values: [Option<&Text>; 3]) {
        if let Some(Some(last)) = self.last.get(family.place)
            && self.counters[*last].has(values)
        {
            self.counters[*last].count += 1;
            return;
        }
        let values = values.map(Option::<&Text>::cloned);
        let place = *self.places.entry((family, values.clone())).or_insert_with(|| {
            self.counters.push(Counter { values, count: 0 });
            self.counters.len() - 1
        });
        self.counters[place].count += 1;
        if self.last.len() <= family.place {
            self.last.resize(family.place + 1, None);
        }
        self.last[family.place] = Some(place);
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&(Family, Values), u64)> {
        self.places.iter().map(|(key, place)| (key, self.counters[*place].count))
    }
}
