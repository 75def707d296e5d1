//! Names of streams and consumers as users write them.

use crate::Error;

/// A consumer's place: `STREAM/CONSUMER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConsumerPath<'a> {
    pub(crate) stream: &'a str,
    pub(crate) consumer: &'a str,
}

impl<'a> ConsumerPath<'a> {
    pub(crate) fn parse(path: &'a str) -> Result<ConsumerPath<'a>, Error> {
        match path.split_once('/') {
            Some((stream, consumer)) if is_name(stream) && is_name(consumer) => Ok(ConsumerPath { stream, consumer }),
            _ => Err(Error::ConsumerPath(path.to_owned())),
        }
    }
}

/// Whether the server takes this as the name of a stream or a consumer.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '.' | '*' | '>' | '/' | '\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (path, expected) in [
            ("ORDERS/WORK", Some(("ORDERS", "WORK"))),
            ("a-b_1/ü", Some(("a-b_1", "ü"))),
            ("ORDERS", None),
            ("", None),
            ("/WORK", None),
            ("ORDERS/", None),
            ("A/B/C", None),
            ("A.B/C", None),
            ("A/B C", None),
            ("A/*", None),
            ("A/>", None),
            ("A/B\\", None),
            ("A/\0", None),
        ] {
            let parsed = ConsumerPath::parse(path).ok().map(|path| (path.stream, path.consumer));
            assert_eq!(parsed, expected, "{path:?}");
        }
    }
}
