//! The committed list of what does not pass on jetlag yet, and why: a rule that is missing, then the tests that need it, indented.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use super::tests::Test;

/// Where the lists are.
pub(crate) const FILE: &str = "xtask/src/client_suite/CLIENT.txt";

/// What does not pass: the test, as `FILE NAME`, and the rule that is missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected(BTreeMap<String, String>);

impl Expected {
    /// Reads the list of this client.
    pub(crate) fn read(root: &Path, client: &str) -> anyhow::Result<Expected> {
        let path = FILE.replace("CLIENT", client);
        let text = fs::read_to_string(root.join(&path)).with_context(|| format!("{path} can not be read"))?;
        Expected::parse(&text).with_context(|| path)
    }

    fn parse(text: &str) -> anyhow::Result<Expected> {
        let (mut rule, mut tests) = (None, BTreeMap::new());
        for (number, line) in text.lines().enumerate().map(|(place, line)| (place + 1, line)) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let Some(name) = line.strip_prefix("  ") else {
                rule = Some(line.to_owned());
                continue;
            };
            let Some(rule) = &rule else { bail!("line {number}: a test stands below the rule that is missing") };
            ensure!(tests.insert(name.trim().to_owned(), rule.clone()).is_none(), "line {number}: {name} is listed twice");
        }
        Ok(Expected(tests))
    }

    /// Why this test does not pass, if it is listed.
    pub(crate) fn reason(&self, test: &Test) -> Option<&str> {
        self.0.get(&test.to_string()).map(String::as_str)
    }

    /// Refuses a list that names what is no test.
    pub(crate) fn is_about(&self, tests: &[Test]) -> anyhow::Result<()> {
        let unknown: Vec<&str> =
            self.0.keys().map(String::as_str).filter(|name| !tests.iter().any(|test| test.to_string() == *name)).collect();
        ensure!(unknown.is_empty(), "listed, but no test: {}", unknown.join(", "));
        Ok(())
    }
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn tests_stand_below_the_rule_they_need() {
        let expected = Expected::parse("# why\n\ncluster\n  a b::c\n  a d\nmirrors: none yet\n  a e\n").unwrap();
        let test = |name: &str| Test { file: "a".to_owned(), name: name.to_owned(), program: Default::default(), ignored: false };
        assert_eq!(expected.reason(&test("b::c")), Some("cluster"));
        assert_eq!(expected.reason(&test("e")), Some("mirrors: none yet"));
        assert_eq!(expected.reason(&test("x")), None);
        assert!(expected.is_about(&[test("b::c"), test("d"), test("e")]).is_ok());
        assert!(expected.is_about(&[test("b::c"), test("d")]).is_err());
    }

    #[test]
    fn a_list_that_says_nothing_certain_is_refused() {
        for text in ["  a b\n", "rule\n  a b\nother\n  a b\n"] {
            assert!(Expected::parse(text).is_err(), "{text}");
        }
    }
}
