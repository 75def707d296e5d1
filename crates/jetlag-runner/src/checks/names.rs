//! Which consumer and which message a record is about, and what is kept by consumer. Nothing is judged here.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use jetlag_model::Text;
use jetlag_trace::{Key, Kind, Record};

/// A consumer: its stream's name and its own. There is one a consumer, so that comparing two of them mostly ends with their places in memory.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerKey(Arc<Named>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    stream: Text,
    consumer: Text,
    /// How many consumers were named before it.
    place: usize,
}

impl ConsumerKey {
    pub(super) fn new(stream: Text, consumer: Text, place: usize) -> ConsumerKey {
        ConsumerKey(Arc::new(Named { stream, consumer, place }))
    }

    pub(super) fn stream(&self) -> &Text {
        &self.0.stream
    }

    pub(super) fn consumer(&self) -> &Text {
        &self.0.consumer
    }
}

impl Ord for ConsumerKey {
    fn cmp(&self, other: &ConsumerKey) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl PartialOrd for ConsumerKey {
    fn partial_cmp(&self, other: &ConsumerKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ConsumerKey {
    fn eq(&self, other: &ConsumerKey) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ConsumerKey {}

impl fmt::Display for ConsumerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stream(), self.consumer())
    }
}

/// The consumers that records have named so far.
#[derive(Default)]
pub(super) struct Names {
    /// By their names.
    known: Vec<ConsumerKey>,
    /// The one that was named last.
    last: usize,
}

impl Names {
    /// What a record is about.
    pub(super) fn about<'a>(&'a mut self, record: &'a Record) -> About<'a> {
        let (mut stream, mut consumer, mut seq) = (None, None, None);
        // One look at the fields in place of three.
        for (key, value) in record.fields.iter() {
            match key {
                Key::Stream => stream = value.text(),
                Key::Consumer => consumer = value.text(),
                Key::StreamSeq => seq = value.uint(),
                _ if key > Key::StreamSeq => break,
                _ => {}
            }
        }
        let consumer = stream.zip(consumer).map(|(stream, consumer)| self.key(stream, consumer));
        About { stream, consumer, seq }
    }

    fn key(&mut self, stream: &Text, consumer: &Text) -> &ConsumerKey {
        let is_last = self.known.get(self.last).is_some_and(|last| last.consumer() == consumer && last.stream() == stream);
        if !is_last {
            let place = self.known.binary_search_by(|known| (known.stream(), known.consumer()).cmp(&(stream, consumer)));
            self.last = place.unwrap_or_else(|place| {
                self.known.insert(place, ConsumerKey::new(stream.clone(), consumer.clone(), self.known.len()));
                place
            });
        }
        &self.known[self.last]
    }
}

/// What a record is about.
pub(super) struct About<'a> {
    /// The stream.
    pub(super) stream: Option<&'a Text>,
    /// The consumer.
    pub(super) consumer: Option<&'a ConsumerKey>,
    /// The message's sequence in the stream.
    pub(super) seq: Option<u64>,
}

impl<'a> About<'a> {
    /// The message of the consumer.
    pub(super) fn message(&self) -> Option<(&'a ConsumerKey, u64)> {
        self.consumer.zip(self.seq)
    }
}

/// What is kept by stream: found at once where it is that of the last time.
pub(super) struct ByStream<T> {
    streams: Vec<(Text, T)>,
    last: usize,
}

impl<T> Default for ByStream<T> {
    fn default() -> ByStream<T> {
        ByStream { streams: Vec::new(), last: 0 }
    }
}

impl<T> ByStream<T> {
    fn place(&self, stream: &Text) -> Option<usize> {
        let is_it = |(other, _): &(Text, T)| other == stream;
        if self.streams.get(self.last).is_some_and(is_it) { Some(self.last) } else { self.streams.iter().position(is_it) }
    }

    pub(super) fn get(&self, stream: &Text) -> Option<&T> {
        self.place(stream).map(|place| &self.streams[place].1)
    }

    /// What is kept of a stream; what there is by default if nothing was.
    pub(super) fn of(&mut self, stream: &Text) -> &mut T
    where
        T: Default,
    {
        self.last = self.place(stream).unwrap_or_else(|| {
            self.streams.push((stream.clone(), T::default()));
            self.streams.len() - 1
        });
        &mut self.streams[self.last].1
    }

    pub(super) fn remove(&mut self, stream: &Text) {
        self.streams.retain(|(other, _)| other != stream);
    }
}

/// What is kept by consumer: found by the consumer's place, listed by its name.
pub(super) struct ByConsumer<T>(Vec<Option<(ConsumerKey, T)>>);

impl<T> Default for ByConsumer<T> {
    fn default() -> ByConsumer<T> {
        ByConsumer(Vec::new())
    }
}

impl<T> ByConsumer<T> {
    pub(super) fn get(&self, consumer: &ConsumerKey) -> Option<&T> {
        self.0.get(consumer.0.place)?.as_ref().map(|(_, kept)| kept)
    }

    pub(super) fn get_mut(&mut self, consumer: &ConsumerKey) -> Option<&mut T> {
        self.0.get_mut(consumer.0.place)?.as_mut().map(|(_, kept)| kept)
    }

    /// What is kept of a consumer; what there is by default if nothing was.
    pub(super) fn of(&mut self, consumer: &ConsumerKey) -> &mut T
    where
        T: Default,
    {
        let place = consumer.0.place;
        if self.0.len() <= place {
            self.0.resize_with(place + 1, || None);
        }
        &mut self.0[place].get_or_insert_with(|| (consumer.clone(), T::default())).1
    }

    pub(super) fn remove(&mut self, consumer: &ConsumerKey) {
        if let Some(place) = self.0.get_mut(consumer.0.place) {
            *place = None;
        }
    }

    /// Forgets all consumers of a stream.
    pub(super) fn remove_stream(&mut self, stream: Option<&Text>) {
        for place in &mut self.0 {
            place.take_if(|(consumer, _)| Some(consumer.stream()) == stream);
        }
    }

    /// Forgets the consumer, or all of the stream, that a record says is gone.
    pub(super) fn forget_deleted(&mut self, record: &Record, about: &About<'_>) {
        match record.kind {
            Kind::ConsumerDeleted => {
                about.consumer.into_iter().for_each(|gone| self.remove(gone));
            }
            Kind::StreamDeleted => self.remove_stream(about.stream),
            _ => {}
        }
    }

    /// All consumers of which something is kept, by their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ConsumerKey, &T)> {
        let mut all: Vec<_> = self.0.iter().flatten().map(|(consumer, kept)| (consumer, kept)).collect();
        all.sort_unstable_by_key(|(consumer, _)| *consumer);
        all.into_iter()
    }

    /// What is kept of any consumer.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().flatten().map(|(_, kept)| kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumers_are_listed_by_name_and_forgotten_with_their_stream() {
        let mut names = Names::default();
        let key = |names: &mut Names, stream: &str, consumer: &str| names.key(&stream.into(), &consumer.into()).clone();
        let [b, a, other] = [("S", "B"), ("S", "A"), ("R", "A")].map(|(stream, consumer)| key(&mut names, stream, consumer));
        assert_eq!(key(&mut names, "S", "B"), b);
        let mut kept = ByConsumer::<u64>::default();
        for (consumer, what) in [(&b, 1), (&other, 2), (&a, 3)] {
            *kept.of(consumer) = what;
        }
        let all = |kept: &ByConsumer<u64>| kept.iter().map(|(consumer, what)| format!("{consumer} {what}")).collect::<Vec<_>>();
        assert_eq!(all(&kept), ["R/A 2", "S/A 3", "S/B 1"]);
        kept.remove_stream(Some(&"S".into()));
        assert_eq!((all(&kept), kept.get(&a)), (vec!["R/A 2".to_owned()], None));
        kept.remove(&other);
        assert_eq!(all(&kept), [""; 0]);
    }
}
