//! What plain `cargo test` and plain `cargo run` at the root reach: every crate below `crates/`, and the one command.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate stands two levels below the root").to_owned()
}

/// The packages cargo works on at the root when no `-p` is given.
fn default_packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let Value::Array(ids) = metadata["workspace_default_members"].take() else { panic!("cargo names no default members") };
    let Value::Array(packages) = metadata["packages"].take() else { panic!("cargo names no packages") };
    packages.into_iter().filter(|package| ids.contains(&package["id"])).collect()
}

fn targets(package: &Value) -> &[Value] {
    package["targets"].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn cargo_test_reaches_every_crate() {
    let below_crates: BTreeSet<PathBuf> = std::fs::read_dir(root().join("crates"))
        .expect("crates/ can be read")
        .map(|entry| entry.expect("crates/ can be read").path().join("Cargo.toml"))
        .filter(|manifest| manifest.is_file())
        .collect();
    assert!(below_crates.len() > 1, "{below_crates:?}");

    let tested: BTreeSet<PathBuf> = default_packages()
        .iter()
        .filter(|package| targets(package).iter().any(|target| target["test"] == true))
        .map(|package| PathBuf::from(package["manifest_path"].as_str().expect("a package has a manifest")))
        .collect();
    assert_eq!(tested, below_crates);
}

#[test]
fn cargo_run_finds_the_one_command() {
    let packages = default_packages();
    let is_binary = |target: &&Value| target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin"));
    let binaries: Vec<&Value> = packages.iter().flat_map(targets).filter(is_binary).map(|target| &target["name"]).collect();
    assert_eq!(binaries, ["jetlag"]);
}
