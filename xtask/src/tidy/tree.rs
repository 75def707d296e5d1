//! The files and packages the rules look at, read once. A test makes a small one by hand.

use std::fmt;
use std::path::Path;

use anyhow::Context;

use super::code::code;
use crate::command::{Package, Workspace};

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct File {
    /// From the root, with `/` between names.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text without comments and literals; empty unless this is Rust.
    pub(crate) code: String,
}

/// Everything the rules may look at.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
    pub(crate) packages: Vec<Package>,
}

/// Something a rule objects to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl File {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> File {
        let (path, text) = (path.into(), text.into());
        let code = if path.ends_with(".rs") { code(&text) } else { String::new() };
        File { path, text, code }
    }

    /// Whether cargo compiles this file.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The directory of the crate below `crates/` that holds this file.
    pub(crate) fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split_once('/').map(|(name, _)| name)
    }

    /// Lines of code, counted from 1, without comments and literals.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines())
    }

    /// Lines of text, counted from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// An objection to `line`, counted from 1.
    pub(crate) fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, message: message.into() }
    }
}

impl Tree {
    /// Reads the repository; what git, cargo and editors keep for themselves is left out.
    pub(crate) fn read(workspace: &Workspace) -> anyhow::Result<Tree> {
        let mut tree = Tree { files: Vec::new(), packages: workspace.packages.clone() };
        tree.read_directory(&workspace.root, "", &workspace.target)?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    fn read_directory(&mut self, directory: &Path, prefix: &str, target: &Path) -> anyhow::Result<()> {
        let unreadable = || format!("{} could not be read", directory.display());
        for entry in std::fs::read_dir(directory).with_context(unreadable)? {
            let entry = entry.with_context(unreadable)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = entry.path();
            if matches!(name.as_str(), ".git" | "target" | ".idea" | ".vscode") || path == target {
                continue;
            }
            let kind = entry.file_type().with_context(unreadable)?;
            if kind.is_dir() {
                self.read_directory(&path, &format!("{prefix}{name}/"), target)?;
            } else if kind.is_file() {
                let bytes = std::fs::read(&path).with_context(|| format!("{} could not be read", path.display()))?;
                // Images and the like have no lines to speak of.
                if let Ok(text) = String::from_utf8(bytes) {
                    self.files.push(File::new(format!("{prefix}{name}"), text));
                }
            }
        }
        Ok(())
    }

    /// The file at `path`.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Rust sources, tests and examples included.
    pub(crate) fn rust_files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}
