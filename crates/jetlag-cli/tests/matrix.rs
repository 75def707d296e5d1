//! `jetlag matrix --check` on a copy of a part of the library: green as it stands, red for everything that can go wrong with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A copy of a part of the library, with those requirements that it shows today or that are out of its reach. What is not shown yet is not this test's matter.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Tree {
        let tree = Tree(tempfile::tempdir().expect("a directory can be made"));
        std::fs::create_dir(tree.path("scenarios")).expect("a directory can be made");
        for folder in ["s1", "s2", "s3", "tracking"] {
            copy(&root().join("scenarios").join(folder), &tree.path("scenarios").join(folder));
        }
        std::fs::create_dir(tree.path("docs")).expect("a directory can be made");
        let requirements = tree.read_from(&root().join("docs/requirements.toml"));
        let shown = tree.ids();
        let kept = requirements.split("\n\n").filter(|part| {
            let id = part.lines().find_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"'));
            id.is_none_or(|id| shown.contains(id) || part.contains("\nelsewhere = "))
        });
        tree.write("docs/requirements.toml", &format!("{}\n", kept.collect::<Vec<_>>().join("\n\n").trim_end()));
        std::fs::copy(root().join("crates/jetlag-metrics/contract.toml"), tree.path("contract.toml")).expect("the contract can be copied");
        let (code, err) = tree.matrix(&[]);
        assert_eq!(code, Some(0), "{err}");
        let (code, err) = tree.matrix(&["--check"]);
        assert_eq!(code, Some(0), "{err}");
        assert!(err.ends_with("; nothing wrong\n"), "{err}");
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read_from(&self, path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file can be written");
    }

    /// Changes a file by replacing a text that must be there.
    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read_from(&self.path(name));
        assert!(text.contains(from), "{name} has no {from:?}");
        self.write(name, &text.replacen(from, to, 1));
    }

    /// All ids that scenarios name.
    fn ids(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        let mut folders = vec![self.path("scenarios")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a directory can be read") {
                let path = entry.expect("a directory can be read").path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => ids.extend(
                        self.read_from(&path)
                            .lines()
                            .filter_map(|line| line.strip_prefix("ids: "))
                            .flat_map(|list| list.split(','))
                            .map(|id| id.trim().to_owned()),
                    ),
                }
            }
        }
        ids
    }

    fn matrix(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jetlag"));
        command.args(["matrix", "--contract", "contract.toml"]).args(arguments).current_dir(self.0.path());
        let output = command.output().expect("jetlag can be started");
        (output.status.code(), String::from_utf8(output.stderr).expect("jetlag writes UTF-8"))
    }

    /// What the check complains of; at least these.
    fn is_red(&self, complaints: &[&str]) {
        let (code, err) = self.matrix(&["--check"]);
        assert_eq!(code, Some(1), "{err}");
        for complaint in complaints {
            assert!(err.contains(complaint), "{complaint:?} is not in\n{err}");
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory can be made");
    for entry in std::fs::read_dir(from).expect("a directory can be read") {
        let path = entry.expect("a directory can be read").path();
        let name = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy(&path, &name);
        } else {
            std::fs::copy(&path, &name).expect("a file can be copied");
        }
    }
}

#[test]
fn a_deleted_scenario() {
    let tree = Tree::new();
    std::fs::remove_file(tree.path("scenarios/s3/lowered-limit-reaches-a-pending-message.scn")).expect("a file can be removed");
    tree.is_red(&["uncovered: S3-lowered ", "stale: docs/COVERAGE.md:", "stale: docs/coverage.json:"]);
}

#[test]
fn a_deleted_scenario_of_several_that_show_the_same() {
    let tree = Tree::new();
    std::fs::remove_file(tree.path("scenarios/s3/limit-1-by-nak.scn")).expect("a file can be removed");
    tree.is_red(&["stale: docs/COVERAGE.md:"]);
}

#[test]
fn a_requirement_nobody_covers() {
    let tree = Tree::new();
    tree.edit(
        "docs/requirements.toml",
        "[[family.requirement]]",
        "[[family.requirement]]\nid = \"S4\"\ntitle = \"new\"\n\n[[family.requirement]]",
    );
    tree.is_red(&["uncovered: S4 (new): no scenario has it in `ids:`"]);
    // A page that admits it is not enough.
    let (code, err) = tree.matrix(&[]);
    assert!(code == Some(1) && err.contains("uncovered: S4"), "{err}");
    assert!(tree.read_from(&tree.path("docs/COVERAGE.md")).contains("| S4 | uncovered | – | – | – | – |"));
    tree.is_red(&["uncovered: S4"]);
}

#[test]
fn a_metric_renamed() {
    let tree = Tree::new();
    let name = "router_nats_ack_failures_total";
    tree.edit("docs/requirements.toml", "id = \"S1a\"\n", &format!("id = \"S1a\"\nmetrics = [\"{name}\"]\n"));
    let (code, err) = tree.matrix(&[]);
    assert_eq!(code, Some(0), "{err}");
    // In the contract: what requirement and scenario name is not there any more.
    tree.edit("contract.toml", &format!("name = \"{name}\""), "name = \"router_ack_failures_total\"");
    tree.is_red(&[
        &format!("unknown: S1a: no metric {name} is in the contract"),
        &format!("it asserts {name}, and no metric of that name"),
    ]);
    // In the list of requirements: no scenario asserts the new name.
    tree.edit("docs/requirements.toml", name, "router_ack_failures_total");
    tree.is_red(&["unasserted: S1a: none of its scenarios asserts router_ack_failures_total", "stale: docs/COVERAGE.md:"]);
}

#[test]
fn a_rule_that_no_longer_fires() {
    let tree = Tree::new();
    tree.edit(
        "scenarios/s1/client-ack-error.scn",
        "fault ack-error error \"connection refused\"",
        "fault ack-error error \"connection refused\" stream-seq=99",
    );
    tree.is_red(&[
        "never hit: scenarios/s1/client-ack-error.scn: fault ack-error never acted",
        "does not hold: scenarios/s1/client-ack-error.scn: fail",
    ]);
}

#[test]
fn a_page_edited_by_hand() {
    for (file, from, to) in
        [("docs/COVERAGE.md", "| S1 | covered |", "| S1 | COVERED |"), ("docs/coverage.json", "\"covered\"", "\"partial\"")]
    {
        let tree = Tree::new();
        tree.edit(file, from, to);
        let (code, err) = tree.matrix(&["--check"]);
        assert!(code == Some(1) && err.contains(&format!("stale: {file}:")) && err.contains("; 1 problem\n"), "{err}");
        std::fs::remove_file(tree.path(file)).expect("a file can be removed");
        tree.is_red(&[&format!("stale: {file}:1 ")]);
    }
}

#[test]
fn ids_that_nobody_asks_for_or_that_are_there_twice() {
    let tree = Tree::new();
    tree.edit("scenarios/s2/validation-heals-after-two-naks.scn", "ids: ", "ids: S2a, S99, ");
    let path = "scenarios/s2/validation-heals-after-two-naks.scn";
    tree.is_red(&[&format!("orphan: {path}: nobody asks for S99"), &format!("used twice: {path}: `ids:` names S2a twice")]);
    tree.edit("docs/requirements.toml", "id = \"S2b\"", "id = \"S2a\"");
    let (code, err) = tree.matrix(&["--check"]);
    assert!(code == Some(2) && err.contains("the id S2a is used twice in the list of requirements"), "{err}");
}

#[test]
fn what_is_said_to_be_out_of_reach_and_shown_after_all() {
    let tree = Tree::new();
    tree.edit("docs/requirements.toml", "id = \"S2b\"\n", "id = \"S2b\"\nelsewhere = \"nobody can\"\n");
    tree.is_red(&["shown after all: S2b: the list says \"nobody can\", but scenarios/s2/"]);
}

#[test]
fn an_empty_library_ran_nothing() {
    let tree = Tree::new();
    std::fs::remove_dir_all(tree.path("scenarios")).expect("a directory can be removed");
    std::fs::create_dir(tree.path("scenarios")).expect("a directory can be made");
    assert_eq!(tree.matrix(&["--check"]).0, Some(5));
}
