//! A map by name, for streams and consumers: there are few, and each message asks for some of them.

use jetlag_model::Text;

/// Values by their names, in the order of the names.
#[derive(Clone, Debug)]
pub(crate) struct ByName<T>(Vec<(Text, Box<T>)>);

impl<T> Default for ByName<T> {
    fn default() -> ByName<T> {
        ByName(Vec::new())
    }
}

impl<T> ByName<T> {
    /// Where a name is, or belongs.
    fn place(&self, name: &str) -> Result<usize, usize> {
        match self.0.as_slice() {
            // The only one is mostly the one that is asked for.
            [(only, _)] if **only == *name => Ok(0),
            all => all.binary_search_by(|(other, _)| (**other).cmp(name)),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.place(name).ok().map(|place| &*self.0[place].1)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.place(name).ok().map(|place| &mut *self.0[place].1)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Adds a value, in place of the one of this name.
    pub(crate) fn insert(&mut self, name: Text, value: T) {
        match self.place(&name) {
            Ok(place) => *self.0[place].1 = value,
            Err(place) => self.0.insert(place, (name, Box::new(value))),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<T> {
        self.place(name).ok().map(|place| *self.0.remove(place).1)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Text> {
        self.0.iter().map(|(name, _)| name)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| &**value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, value)| &mut **value)
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.0.into_iter().map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_found() {
        let mut map = ByName::default();
        for (name, value) in [("b", 1), ("a", 2), ("c", 3), ("a", 4)] {
            map.insert(name.into(), value);
        }
        assert_eq!(
            (map.names().map(|name| &**name).collect::<String>(), map.values().copied().collect::<Vec<_>>()),
            ("abc".into(), vec![4, 1, 3])
        );
        assert_eq!((map.get("b"), map.get("d")), (Some(&1), None));
        assert_eq!((map.remove("a"), map.remove("a"), map.len()), (Some(4), None, 2));
        map.get_mut("c").into_iter().for_each(|value| *value = 5);
        assert_eq!((map.contains("c"), map.is_empty(), map.into_values().collect::<Vec<_>>()), (true, false, vec![1, 5]));
    }
}
