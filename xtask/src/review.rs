//! `cargo xtask review`: whether the map from sources to scenarios is complete, and whether a change was reviewed. What that means is
//! jetlag-report's; here git is asked.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use jetlag_report::review::{FileChange, ReviewMap};

/// Options of `cargo xtask review`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Also judge what changed since this commit, work that is not committed included; without it only the map is checked
    #[arg(long, value_name = "REV")]
    base: Option<String>,
}

/// Where the map stands.
const MAP: &str = "docs/review.toml";

/// What a reviewer asks, as the first owner's checklist has it.
const QUESTIONS: &str = "\
Before a line is written to the reviews:
  - are acks and naks still sent where they were?
  - are messages still delivered as often, and given up at the same count?
  - do metrics still mean the same, the redelivery and exhaustion counters first?
`jetlag run --trace OLD` before the change and `jetlag run --baseline OLD` after it answer all three.";

/// Checks the map, and what changed since the base.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    let problems = check(root)?;
    problems.iter().for_each(|problem| println!("{MAP}: {problem}"));
    let mut good = problems.is_empty();
    if let Some(base) = &options.base {
        let map = map(root)?;
        let review = map.judge(&changes(root, base, &map)?)?;
        print!("{review}");
        if !review.is_complete() {
            println!("\n{QUESTIONS}\nThen add to {}: `- DATE AREA: why no transcript moved`.", map.reviews);
        }
        good &= review.is_complete();
    }
    println!("review: {}", if good { "nothing missing" } else { "something is missing" });
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is wrong with the map.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let listed = git(root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    // What is deleted and not committed yet is listed, too.
    let files: Vec<String> = listed.split_terminator('\0').filter(|file| root.join(file).is_file()).map(str::to_owned).collect();
    ensure!(!files.is_empty(), "git lists no files");
    Ok(map(root)?.problems(&files))
}

fn map(root: &Path) -> anyhow::Result<ReviewMap> {
    let text = std::fs::read_to_string(root.join(MAP)).with_context(|| format!("{MAP} can not be read"))?;
    ReviewMap::parse(&text).context(MAP)
}

/// What changed since `base` and this branch went apart. Texts are read where the review looks at them: of scenarios and of the reviews.
fn changes(root: &Path, base: &str, map: &ReviewMap) -> anyhow::Result<Vec<FileChange>> {
    let fork = git(root, &["merge-base", "--", base, "HEAD"]).with_context(|| format!("{base} has nothing in common with HEAD"))?;
    let fork = fork.trim();
    let names = git(root, &["diff", "--name-only", "--no-renames", "-z", fork])?;
    let change = |path: &str| {
        let has_text = path.ends_with(".scn") || path == map.reviews;
        FileChange {
            path: path.to_owned(),
            old: if has_text { git(root, &["show", &format!("{fork}:{path}")]).ok() } else { None },
            new: if has_text { std::fs::read_to_string(root.join(path)).ok() } else { None },
        }
    };
    Ok(names.split_terminator('\0').map(change).collect())
}

fn git(root: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git").args(arguments).current_dir(root).output().context("git could not be started")?;
    ensure!(output.status.success(), "git {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    String::from_utf8(output.stdout).context("git says something that is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "crates/core/src/ack.rs";

    const MAP_TEXT: &str = "\
complete = [\"crates/core/src\"]
reviews = \"docs/reviews.md\"

[[area]]
name = \"acks\"
sources = [\"crates/core/src/ack.rs\"]
scenarios = [\"scenarios/*.scn\"]
";

    /// A repository with a source, a scenario, the map, and all of it in one commit.
    struct Repository(tempfile::TempDir);

    impl Repository {
        fn new() -> Repository {
            let repository = Repository(tempfile::tempdir().expect("a directory can be made"));
            repository.write(SOURCE, "// one\n");
            repository.write("scenarios/a.scn", "title: a\n\nstream S\n----\nok\n");
            repository.write(MAP, MAP_TEXT);
            repository.write("docs/reviews.md", "# Reviews\n");
            repository.git(&["init", "--quiet", "--initial-branch=main"]);
            repository.commit();
            repository
        }

        fn root(&self) -> &Path {
            self.0.path()
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.root().join(path);
            std::fs::create_dir_all(path.parent().expect("it has a parent")).expect("a directory can be made");
            std::fs::write(path, text).expect("a file can be written");
        }

        fn git(&self, arguments: &[&str]) {
            let who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"];
            git(self.root(), &[&who, arguments].concat()).expect("git does it");
        }

        fn commit(&self) {
            self.git(&["add", "--all"]);
            self.git(&["commit", "--quiet", "--message=one"]);
        }

        fn is_good(&self) -> bool {
            let code = run(self.root(), &Options { base: Some("main".to_owned()) }).expect("it can be judged");
            format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS)
        }
    }

    #[test]
    fn a_mapped_source_alone_is_not_enough() {
        let repository = Repository::new();
        repository.git(&["checkout", "--quiet", "-b", "change"]);
        assert!(repository.is_good(), "nothing changed");
        repository.write(SOURCE, "// two\n");
        assert!(!repository.is_good(), "work that is not committed counts");
        repository.commit();
        assert!(!repository.is_good());
        repository.write("docs/reviews.md", "# Reviews\n\n- 2026-11-28 acks: a comment\n");
        assert!(repository.is_good(), "a review");
        repository.write("docs/reviews.md", "# Reviews\n");
        repository.write("scenarios/a.scn", "title: a\n\nstream S\n----\nerror 400/1 other\n");
        assert!(repository.is_good(), "a transcript");
        repository.commit();
        assert!(repository.is_good());
    }

    #[test]
    fn what_happened_on_the_base_since_is_not_of_the_change() {
        let repository = Repository::new();
        repository.git(&["branch", "change"]);
        repository.write(SOURCE, "// on main\n");
        repository.commit();
        repository.git(&["checkout", "--quiet", "change"]);
        assert!(repository.is_good());
    }

    #[test]
    fn a_hole_in_the_map_and_an_unknown_base_are_told() {
        let repository = Repository::new();
        repository.write("crates/core/src/new.rs", "// new\n");
        assert_eq!(check(repository.root()).expect("it can be checked"), ["crates/core/src/new.rs is in no area"]);
        assert!(!repository.is_good());
        let error = run(repository.root(), &Options { base: Some("nowhere".to_owned()) }).expect_err("there is no such commit");
        assert!(format!("{error:#}").contains("nowhere has nothing in common with HEAD"), "{error:#}");
    }
}
