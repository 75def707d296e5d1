//! Rules about what depends on what: the layers, the core's few dependencies, and the bans clippy is told of.

use super::tree::{Finding, Tree};
use crate::command::Package;

/// Every package and its layer; a package depends on lower layers only.
const LAYERS: [(&str, u8); 19] = [
    ("jetlag-model", 0),
    ("jetlag-core", 1),
    ("jetlag-fault", 1),
    ("jetlag-trace", 1),
    ("jetlag-metrics", 2),
    ("jetlag-scenario", 2),
    ("jetlag-sim", 2),
    ("jetlag-wire", 2),
    ("jetlag-runner", 3),
    ("jetlag-server", 3),
    ("jetlag-program", 4),
    ("jetlag-report", 4),
    ("jetlag-conform", 5),
    ("jetlag-stand-in", 5),
    ("jetlag-benches", 5),
    ("jetlag", 6),
    ("jetlag-cli", 6),
    ("jetlag-example", 7),
    ("xtask", 7),
];

/// Layers from here up may read clocks, hash, and draw random numbers.
const SERVERS: u8 = 3;

/// What the core may depend on.
const CORE: [&str; 2] = ["hashbrown", "jetlag-model"];

fn layer(package: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == package).map(|(_, layer)| *layer)
}

/// Whether `package` must give the same bytes on every run: no clock, no randomness, no hash order.
pub(crate) fn is_deterministic(package: &str) -> bool {
    layer(package).is_some_and(|layer| layer < SERVERS)
}

/// A package depends on lower layers only, development dependencies included.
pub(crate) fn layering(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &tree.packages {
        let Some(own) = layer(&package.name) else {
            findings.push(in_manifest(tree, package, &package.name, "has no layer; give it one in xtask/src/tidy/layers.rs"));
            continue;
        };
        for dependency in &package.dependencies {
            if layer(&dependency.name).is_some_and(|other| other >= own) {
                let message = format!("{} (layer {own}) may depend on lower layers only", package.name);
                findings.push(in_manifest(tree, package, &dependency.name, &message));
            }
        }
    }
    findings
}

/// `jetlag-core` depends on exactly three crates, so that it can live in anybody's event loop.
pub(crate) fn core_dependencies(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in tree.packages.iter().filter(|package| package.name == "jetlag-core") {
        let mut missing = CORE.to_vec();
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev")) {
            missing.retain(|name| *name != dependency.name);
            if !CORE.contains(&dependency.name.as_str()) {
                findings.push(in_manifest(tree, package, &dependency.name, "the core depends on jetlag-model and hashbrown alone"));
            }
            if dependency.name == "hashbrown" && dependency.uses_default_features {
                findings.push(in_manifest(tree, package, "hashbrown", "the core takes hashbrown with default-features = false"));
            }
        }
        for name in missing {
            findings.push(in_manifest(tree, package, name, "is a dependency of the core that is gone; say so in xtask/src/tidy/layers.rs"));
        }
    }
    findings
}

/// Every deterministic crate carries the same `clippy.toml`, because clippy reads the nearest one only.
pub(crate) fn clippy_bans(tree: &Tree) -> Vec<Finding> {
    const FIRST: &str = "crates/jetlag-model/clippy.toml";
    let expected = tree.file(FIRST).map(|file| file.text.as_str());
    let mut findings = Vec::new();
    for package in tree.packages.iter().filter(|package| is_deterministic(&package.name)) {
        let path = format!("crates/{}/clippy.toml", package.name);
        let found = tree.file(&path).map(|file| file.text.as_str());
        if found.is_none() {
            findings.push(Finding { path, line: 1, message: format!("is missing; copy {FIRST}") });
        } else if found != expected {
            findings.push(Finding {
                path,
                line: 1,
                message: format!("differs from {FIRST}; the bans are the same for every deterministic crate"),
            });
        }
    }
    findings
}

/// An objection to the line of `package`'s manifest that begins with `word`.
fn in_manifest(tree: &Tree, package: &Package, word: &str, message: &str) -> Finding {
    let manifest = tree.file(&package.manifest);
    let line = manifest.and_then(|file| file.lines().find(|(_, line)| begins_with(line, word))).map_or(1, |(number, _)| number);
    Finding { path: package.manifest.clone(), line, message: format!("{word}: {message}") }
}

fn begins_with(line: &str, word: &str) -> bool {
    line.strip_prefix(word).is_some_and(|rest| rest.starts_with([' ', '.', '=']))
}

#[cfg(test)]
mod tests {
    use super::super::tree::File;
    use super::*;
    use crate::command::Dependency;

    fn package(name: &str, dependencies: &[(&str, Option<&str>, bool)]) -> Package {
        let dependencies = dependencies
            .iter()
            .map(|&(name, kind, uses_default_features)| Dependency { name: name.into(), kind: kind.map(Into::into), uses_default_features })
            .collect();
        Package { name: name.into(), dependencies, manifest: format!("crates/{name}/Cargo.toml") }
    }

    fn messages(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_dependency_sideways_or_up_is_refused() {
        for (from, to, kind, allowed) in [
            ("jetlag-core", "jetlag-model", None, true),
            ("jetlag-core", "jetlag-core", None, false),
            ("jetlag-core", "jetlag-fault", None, false),
            ("jetlag-core", "jetlag-sim", Some("dev"), false),
            ("jetlag-core", "proptest", Some("dev"), true),
            ("jetlag-cli", "jetlag", None, false),
            ("xtask", "jetlag-conform", None, true),
        ] {
            let tree = Tree { packages: vec![package(from, &[(to, kind, true)])], ..Tree::default() };
            assert_eq!(layering(&tree).is_empty(), allowed, "{from} on {to}");
        }
    }

    #[test]
    fn findings_point_into_the_manifest() {
        let manifest = "[package]\nname = \"jetlag-core\"\n[dependencies]\njetlag-sim.workspace = true\n";
        let tree = Tree {
            files: vec![File::new("Cargo.toml", ""), File::new("crates/jetlag-core/Cargo.toml", manifest)],
            packages: vec![package("jetlag-core", &[("jetlag-sim", None, true)])],
        };
        assert_eq!(
            messages(&layering(&tree)),
            ["crates/jetlag-core/Cargo.toml:4: jetlag-sim: jetlag-core (layer 1) may depend on lower layers only"]
        );
    }

    #[test]
    fn a_package_without_a_layer_is_refused() {
        let tree = Tree { packages: vec![package("jetlag-new", &[])], ..Tree::default() };
        assert_eq!(layering(&tree).len(), 1);
    }

    #[test]
    fn the_core_depends_on_two_crates() {
        let two = [("jetlag-model", None, true), ("hashbrown", None, false), ("proptest", Some("dev"), false)];
        let judge =
            |dependencies: &[_]| core_dependencies(&Tree { packages: vec![package("jetlag-core", dependencies)], ..Tree::default() });
        assert_eq!(judge(&two), []);
        assert_eq!(judge(&two[..1]).len(), 1, "one is gone");
        assert_eq!(judge(&[&two[..], &[("serde", None, true)]].concat()).len(), 1, "one too many");
        assert_eq!(judge(&[&two[..1], &[("hashbrown", None, true)]].concat()).len(), 1, "default features");
    }

    #[test]
    fn deterministic_crates_share_one_clippy_configuration() {
        let packages =
            vec![package("jetlag-model", &[]), package("jetlag-core", &[]), package("jetlag-sim", &[]), package("jetlag-runner", &[])];
        let files = vec![
            File::new("crates/jetlag-model/clippy.toml", "a"),
            File::new("crates/jetlag-core/clippy.toml", "a"),
            File::new("crates/jetlag-sim/clippy.toml", "b"),
        ];
        let findings = clippy_bans(&Tree { files, packages: packages.clone() });
        assert_eq!(findings.iter().map(|finding| finding.path.as_str()).collect::<Vec<_>>(), ["crates/jetlag-sim/clippy.toml"]);
        assert_eq!(clippy_bans(&Tree { packages, ..Tree::default() }).len(), 3, "none is there");
    }
}
