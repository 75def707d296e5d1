//! Mutants that no scenario can tell from the true core, each with the reason.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};

/// Blocks of a mutant's key and, indented, the reason; `#` at the start of a line begins a comment.
const TEXT: &str = include_str!("survivors.txt");

/// The reasons, by key.
pub(super) struct Survivors(BTreeMap<&'static str, &'static str>);

impl Survivors {
    /// Reads the list.
    ///
    /// # Errors
    ///
    /// When a mutant has no reason or stands there twice.
    pub(super) fn load() -> anyhow::Result<Survivors> {
        read(TEXT)
    }

    /// Why this mutant may survive, if that is known.
    pub(super) fn reason(&self, key: &str) -> Option<&'static str> {
        self.0.get(key).copied()
    }
}

fn read(text: &'static str) -> anyhow::Result<Survivors> {
    let mut reasons = BTreeMap::new();
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    while let Some(key) = lines.next() {
        let Some(reason) = lines.next().and_then(|line| line.strip_prefix("    ")) else { bail!("{key}: has no reason") };
        ensure!(!key.starts_with(' '), "{key}: is a reason without a mutant");
        ensure!(reasons.insert(key, reason).is_none(), "{key}: stands there twice");
    }
    Ok(Survivors(reasons))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_read() {
        assert!(Survivors::load().is_ok());
    }

    #[test]
    fn every_mutant_has_one_reason() {
        let list = read("# why\n\na.rs: x #1\n    because\n").unwrap();
        assert_eq!((list.reason("a.rs: x #1"), list.reason("a.rs: x #2")), (Some("because"), None));
        for bad in ["a\n", "a\nb\n", "a\n    x\na\n    y\n", "    x\n    y\n"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
