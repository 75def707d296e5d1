//! The rules that neither the compiler nor clippy knows. Each is a function from the tree to its findings, with a test beside it.

mod code;
mod layers;
mod sources;
mod texts;
mod tree;

use std::process::ExitCode;

use crate::command::Workspace;
use tree::{Finding, Tree};

type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: [(&str, Rule); 13] = [
    ("length", sources::length),
    ("first-lines", sources::first_lines),
    ("unfinished", sources::unfinished),
    ("determinism", sources::determinism),
    ("hashbrown", sources::hashbrown),
    ("versions", sources::versions),
    ("layering", layers::layering),
    ("core-dependencies", layers::core_dependencies),
    ("clippy-bans", layers::clippy_bans),
    ("machine-paths", texts::machine_paths),
    ("scenarios", texts::scenarios),
    ("exceptions", texts::exceptions),
    ("readme", texts::readme),
];

/// `cargo xtask tidy`.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    Ok(if check(workspace)? == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what the rules object to and says how many objections there are.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<usize> {
    let tree = Tree::read(workspace)?;
    let mut count = 0;
    for (name, rule) in RULES {
        for finding in rule(&tree) {
            println!("{finding} [{name}]");
            count += 1;
        }
    }
    println!("tidy: {} files, {} rules, {count} findings", tree.files.len(), RULES.len());
    Ok(count)
}
