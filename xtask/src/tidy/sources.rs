//! Rules about Rust sources: length, first lines, what is unfinished, and what deterministic crates must not name.

use super::code::has_word;
use super::layers::is_deterministic;
use super::tree::{File, Finding, Tree};
use crate::test::STARTED_BY;

/// Lines a source file may have.
const MOST_LINES: usize = 800;

/// The one place where a server's version becomes behaviour.
const RULES: &str = "crates/jetlag-core/src/rules";

/// Names with which time, hash order or chance would enter a deterministic crate.
const NONDETERMINISTIC: [&str; 6] = ["SystemTime", "HashMap", "HashSet", "rand", "getrandom", "fastrand"];

/// A file stays short enough to be read whole.
pub(crate) fn length(tree: &Tree) -> Vec<Finding> {
    let long = |file: &&File| file.is_rust() && file.lines().count() > MOST_LINES;
    let message = |file: &File| format!("{} lines; split what is over {MOST_LINES}", file.lines().count());
    tree.files.iter().filter(long).map(|file| file.finding(MOST_LINES + 1, message(file))).collect()
}

/// The first lines of a file say what lives there.
pub(crate) fn first_lines(tree: &Tree) -> Vec<Finding> {
    // A crate whose page is its README takes it in.
    let silent = |file: &&File| !file.text.starts_with("//!") && !file.text.starts_with("#![doc = include_str!(");
    tree.rust_files().filter(silent).map(|file| file.finding(1, "begins without `//!`: say what lives here, and what does not")).collect()
}

/// Nothing is left for later, and no test is switched off; one that another test starts as a process is not.
pub(crate) fn unfinished(tree: &Tree) -> Vec<Finding> {
    let in_code = ["todo!", "unimplemented!", "#[ignore"];
    // Spelt in two halves, so that this file is no finding.
    let in_text = [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X:"), concat!("```", "ignore")];
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| !file.path.starts_with("LICENSE") && !file.path.ends_with(".lock")) {
        let mut code = file.code.lines();
        for (number, text) in file.lines() {
            let line = code.next().unwrap_or_default();
            let started_by_another = text.trim_start().starts_with(&format!("#[ignore = \"{STARTED_BY}"));
            let marks = in_code.iter().filter(|mark| line.contains(**mark) && !started_by_another);
            let marks = marks.chain(in_text.iter().filter(|mark| text.contains(**mark)));
            findings.extend(marks.map(|mark| file.finding(number, format!("`{mark}`: finish it or leave it out"))));
        }
    }
    findings
}

/// Nothing below the server layer names a clock, a hash table or a source of chance, tests included.
pub(crate) fn determinism(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust_files().filter(|file| file.crate_name().is_some_and(is_deterministic) && !wraps_hashbrown(file)) {
        for (number, line) in file.code_lines() {
            // A replay policy is called `Instant` too; the clock is the one that comes from `std::time`.
            let clock = (line.contains("time::") && has_word(line, "Instant")).then_some("Instant");
            let named = NONDETERMINISTIC.into_iter().filter(|name| has_word(line, name)).chain(clock);
            findings.extend(
                named.map(|name| file.finding(number, format!("`{name}`: deterministic crates take time, order and chance as values"))),
            );
        }
    }
    findings
}

/// `hashbrown` is named in one module, which wraps it as an index that can not be iterated.
pub(crate) fn hashbrown(tree: &Tree) -> Vec<Finding> {
    let wrapper = tree.files.iter().find(|file| wraps_hashbrown(file)).map(|file| file.path.as_str());
    let mut findings = Vec::new();
    for file in tree.rust_files().filter(|file| file.crate_name().is_some() && Some(file.path.as_str()) != wrapper) {
        let named = file.code_lines().filter(|(_, line)| has_word(line, "hashbrown"));
        findings.extend(
            named.map(|(number, _)| file.finding(number, "`hashbrown` is named in one module of jetlag-core only; use its wrapper")),
        );
    }
    findings
}

/// What differs between versions of the server is decided in one table.
pub(crate) fn versions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust_files() {
        let apart = file.path.starts_with(RULES) || file.crate_name() == Some("jetlag-model") || is_test(file);
        if apart {
            continue;
        }
        // Unit tests stand at the end of their file.
        let shipped = file.code_lines().take_while(|(_, line)| !line.trim_start().starts_with("#[cfg(test)]"));
        let named = shipped.filter(|(_, line)| line.contains("ServerVersion::new("));
        let message = format!("a server's version is compared in {RULES}.rs only: name a rule there");
        findings.extend(named.map(|(number, _)| file.finding(number, message.as_str())));
    }
    findings
}

/// Whether this is the core's module that names hashbrown.
fn wraps_hashbrown(file: &File) -> bool {
    file.path.starts_with("crates/jetlag-core/src/") && file.code_lines().any(|(_, line)| has_word(line, "hashbrown"))
}

fn is_test(file: &File) -> bool {
    file.path.contains("/tests/") || file.path.ends_with("/tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where `rule` objects, as `path:line`.
    fn judge(rule: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
        let files = files.iter().map(|&(path, text)| File::new(path, text)).collect();
        rule(&Tree { files, ..Tree::default() }).iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect()
    }

    #[test]
    fn files_are_short_and_say_what_they_are() {
        let longest = "x\n".repeat(MOST_LINES);
        let longer = "x\n".repeat(MOST_LINES + 1);
        assert_eq!(judge(length, &[("a.rs", &longest), ("b.rs", &longer), ("c.md", &longer)]), ["b.rs:801"]);
        assert_eq!(
            judge(first_lines, &[("a.rs", "//! A.\n"), ("b.rs", "use a;\n//! B.\n"), ("c.rs", ""), ("d.md", "")]),
            ["b.rs:1", "c.rs:1"]
        );
    }

    #[test]
    fn nothing_is_left_for_later() {
        for (text, found) in [
            ("fn f() { todo!() }", true),
            ("fn f() { unimplemented!(\"x\") }", true),
            ("#[test]\n#[ignore]", true),
            ("#[test]\n#[ignore = \"slow\"]", true),
            ("#[test]\n#[ignore = \"run by a_parent\"]", false),
            (concat!("// TO", "DO: later"), true),
            (concat!("/// ```", "ignore"), true),
            ("let s = \"todo!\";", false),
            ("// what todo! means", false),
        ] {
            assert_eq!(!judge(unfinished, &[("a.rs", text)]).is_empty(), found, "{text}");
        }
        assert_eq!(judge(unfinished, &[("a.md", concat!("x\nFIX", "ME\n"))]), ["a.md:2"]);
    }

    #[test]
    fn deterministic_crates_name_no_clock_no_hash_and_no_chance() {
        for (text, found) in [
            ("use std::time::Instant;", true),
            ("use std::time::{Duration, SystemTime};", true),
            ("use std::collections::HashSet;", true),
            ("let x = rand::random();", true),
            ("let now = std::time::Instant::now();", true),
            ("ReplayPolicy::Instant", false),
            ("use rand_chacha::ChaCha8Rng;", false),
            ("// an Instant", false),
            ("let s = \"HashMap\";", false),
        ] {
            assert_eq!(!judge(determinism, &[("crates/jetlag-sim/src/a.rs", text)]).is_empty(), found, "{text}");
            assert_eq!(judge(determinism, &[("crates/jetlag-runner/src/a.rs", text)]), [""; 0], "{text}, in a layer that may");
        }
        assert_eq!(judge(determinism, &[("crates/jetlag-core/src/index.rs", "use hashbrown::HashMap;")]), [""; 0]);
    }

    #[test]
    fn hashbrown_is_named_in_one_module() {
        let index = ("crates/jetlag-core/src/index.rs", "use hashbrown::HashMap;");
        assert_eq!(judge(hashbrown, &[index, ("crates/jetlag-core/src/lib.rs", "// hashbrown")]), [""; 0]);
        assert_eq!(
            judge(hashbrown, &[index, ("crates/jetlag-core/src/lib.rs", "hashbrown::HashSet")]),
            ["crates/jetlag-core/src/lib.rs:1"]
        );
        assert_eq!(
            judge(hashbrown, &[("crates/jetlag-conform/src/lib.rs", "\nuse hashbrown::A;")]),
            ["crates/jetlag-conform/src/lib.rs:2"]
        );
    }

    #[test]
    fn versions_are_compared_in_the_table_only() {
        let text = "//! x\nif v < ServerVersion::new(2, 11, 0) {}\n";
        for (path, refused) in [
            ("crates/jetlag-core/src/consumer.rs", true),
            ("crates/jetlag-cli/src/main.rs", true),
            ("crates/jetlag-core/src/rules.rs", false),
            ("crates/jetlag-core/tests/versions.rs", false),
            ("crates/jetlag-core/src/consumer/tests.rs", false),
            ("crates/jetlag-model/src/version.rs", false),
        ] {
            assert_eq!(!judge(versions, &[(path, text)]).is_empty(), refused, "{path}");
        }
        let tested = "//! x\n#[cfg(test)]\nmod tests { const V: ServerVersion = ServerVersion::new(2, 15, 1); }\n";
        assert_eq!(judge(versions, &[("crates/jetlag-core/src/a.rs", tested)]), [""; 0]);
    }
}
