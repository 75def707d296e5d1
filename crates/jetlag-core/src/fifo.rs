//! A queue for what is put in by a few and taken out to the last before more comes.

/// A queue that gets its room back when it is empty. Adding to it writes a value in its place, where a ring buffer would be given it made and move it.
#[derive(Clone, Debug)]
pub(crate) struct Fifo<T> {
    items: Vec<Option<T>>,
    /// The first that has not been taken out.
    first: usize,
}

impl<T> Fifo<T> {
    pub(crate) const fn new() -> Fifo<T> {
        Fifo { items: Vec::new(), first: 0 }
    }

    #[inline]
    pub(crate) fn push(&mut self, item: T) {
        self.items.push(Some(item));
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        let item = self.items.get_mut(self.first)?.take();
        self.first += 1;
        if self.first == self.items.len() {
            self.items.clear();
            self.first = 0;
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_in_first_out() {
        let mut fifo = Fifo::new();
        fifo.push(1);
        fifo.push(2);
        assert_eq!(fifo.pop(), Some(1));
        fifo.push(3);
        assert_eq!([fifo.pop(), fifo.pop(), fifo.pop()], [Some(2), Some(3), None]);
        fifo.push(4);
        assert_eq!((fifo.items.len(), fifo.pop(), fifo.pop()), (1, Some(4), None), "room is used again");
    }
}
