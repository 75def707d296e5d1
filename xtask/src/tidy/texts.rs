//! Rules about everything that is not Rust: scenarios, the README, and paths of somebody's machine anywhere.

use super::tree::{Finding, Tree};

/// Header lines that except a scenario from comparison, and how many there are.
const EXCEPTIONS: &[(&str, usize)] = &[("conform: no", 5), ("differs:", 0)];

/// The commands a newcomer types first.
const COMMANDS: [&str; 2] = ["cargo run --release -- run", "cargo xtask test"];

/// Where people keep their files; spelt in two halves, so that this file is no finding.
const MACHINE_PATHS: [&str; 5] =
    [concat!("/ho", "me/"), concat!("/Use", "rs/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("C:\\Use", "rs")];

/// No path of one machine stands in the repository.
pub(crate) fn machine_paths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| !file.path.ends_with(".lock")) {
        for (number, line) in file.lines() {
            let named = MACHINE_PATHS.iter().filter(|path| begins_a_path(line, path));
            findings.extend(named.map(|path| file.finding(number, format!("`{path}`: a path of one machine"))));
        }
    }
    findings
}

/// A scenario has a title and at least one transcript, and a real server has confirmed it; what is in them is the runner's to judge.
pub(crate) fn scenarios(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.starts_with("scenarios/") && file.path.ends_with(".scn")) {
        let header = || file.text.lines().take_while(|line| !line.trim().is_empty());
        if let Some(line) = header().position(|line| line.starts_with("unconfirmed:")) {
            findings.push(file.finding(line + 1, "is blessed from the simulator alone: confirm it with `jetlag conform`"));
        }
        if !header().any(|line| line.strip_prefix("title:").is_some_and(|title| !title.trim().is_empty())) {
            findings.push(file.finding(1, "has no `title:` in its header"));
        }
        if !file.text.lines().any(|line| line == "----") {
            findings.push(file.finding(1, "has no transcript: bless it with `jetlag run --bless`"));
        }
    }
    findings
}

/// How many scenarios no real server can be asked about, and how many known differences there are, is decided here, by hand.
pub(crate) fn exceptions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, allowed) in EXCEPTIONS {
        let scenarios = tree.files.iter().filter(|file| file.path.starts_with("scenarios/") && file.path.ends_with(".scn"));
        let lines = scenarios.flat_map(|file| file.text.lines().take_while(|line| !line.trim().is_empty()));
        let found = lines.filter(|line| line.starts_with(key)).count();
        if found != *allowed {
            let message =
                format!("scenarios with `{key}`: {found} instead of {allowed}; if that is right, write the number into the tidy rule");
            findings.push(Finding { path: "scenarios".into(), line: 1, message });
        }
    }
    findings
}

/// The README names the two commands.
pub(crate) fn readme(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file("README.md") else {
        return vec![Finding { path: "README.md".into(), line: 1, message: "is missing".into() }];
    };
    let unnamed = COMMANDS.iter().filter(|command| !file.text.contains(**command));
    unnamed.map(|command| file.finding(1, format!("does not name `{command}`"))).collect()
}

/// Whether a path that begins with `start` stands in `line`; in the middle of a path or subject it is something else.
fn begins_a_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| !line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || "_-./>*}".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::super::tree::File;
    use super::*;

    fn judge(rule: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
        let files = files.iter().map(|&(path, text)| File::new(path, text)).collect();
        rule(&Tree { files, ..Tree::default() }).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn paths_of_one_machine_are_found_in_any_file() {
        let home = concat!("/ho", "me/ann/x");
        for (line, found) in [
            (format!("see {home}"), true),
            (format!("({home})"), true),
            (home.to_owned(), true),
            (format!("\"{}Ann\"", concat!("C:\\Use", "rs\\")), true),
            (format!("orders{home}"), false),
            (format!("https://example.org{home}"), false),
        ] {
            assert_eq!(judge(machine_paths, &[("docs/a.md", &line)]).len(), usize::from(found), "{line}");
        }
    }

    #[test]
    fn a_scenario_has_a_title_and_a_transcript() {
        let good = "title: a\n\nstream S\n----\nok\n";
        assert_eq!(judge(scenarios, &[("scenarios/a/b.scn", good), ("scenarios/README.md", "")]), [""; 0]);
        for bad in [
            "title: a\nunconfirmed: x\n\nstream S\n----\nok\n",
            "title: a\n\nstream S\n",
            "title:\n\nstream S\n----\nok\n",
            "seed: 1\n\ntitle: late\n----\nok\n",
        ] {
            assert_eq!(judge(scenarios, &[("scenarios/a.scn", bad)]).len(), 1, "{bad}");
        }
    }

    #[test]
    fn exceptions_are_counted() {
        let excepted = "title: a\nconform: no - it is random\n\nconform: no\n----\n";
        let many: Vec<_> = (0..EXCEPTIONS[0].1).map(|number| format!("scenarios/{number}.scn")).collect();
        let allowed: Vec<_> = many.iter().map(|path| (path.as_str(), excepted)).collect();
        assert_eq!(judge(exceptions, &allowed), [""; 0]);
        assert_eq!(judge(exceptions, &allowed[1..]).len(), 1, "one less is to be written down too");
        let known = ("scenarios/k.scn", "title: a\ndiffers: <2.11.0 - #1 b\n\n----\n");
        assert_eq!(judge(exceptions, &[&allowed[..], &[known]].concat()).len(), 1);
    }

    #[test]
    fn the_readme_names_both_commands() {
        assert_eq!(judge(readme, &[]), ["README.md:1: is missing"]);
        assert_eq!(judge(readme, &[("README.md", "cargo xtask test")]), ["README.md:1: does not name `cargo run --release -- run`"]);
        assert_eq!(judge(readme, &[("README.md", "cargo xtask test\ncargo run --release -- run")]), [""; 0]);
    }
}
