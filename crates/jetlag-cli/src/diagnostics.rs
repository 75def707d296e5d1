//! What is wrong with a scenario's text, drawn for people.

use std::io::{self, Write};
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use jetlag_runner::Unreadable;
use jetlag_scenario::Diagnostic;

/// Writes why a file can not be run.
pub(crate) fn write_unreadable(err: &mut dyn Write, path: &Path, unreadable: &Unreadable) -> io::Result<()> {
    match unreadable {
        Unreadable::Io(error) => writeln!(err, "error: {}: {error}", path.display()),
        Unreadable::Bad { text, diagnostics } => write_diagnostics(err, path, text, diagnostics),
    }
}

/// Writes diagnostics, each with the piece of text it is about.
pub(crate) fn write_diagnostics(err: &mut dyn Write, path: &Path, text: &str, diagnostics: &[Diagnostic]) -> io::Result<()> {
    let path = path.display().to_string();
    for diagnostic in diagnostics {
        let annotation = AnnotationKind::Primary.span(drawable(text, diagnostic)).label(&diagnostic.label);
        let error = Level::ERROR.primary_title(&diagnostic.message).element(Snippet::source(text).path(&path).annotation(annotation));
        let help = diagnostic.help.as_ref().map(|help| Group::with_title(Level::HELP.secondary_title(help)));
        let report: Vec<Group<'_>> = std::iter::once(error).chain(help).collect();
        writeln!(err, "{}\n", Renderer::styled().render(&report))?;
    }
    Ok(())
}

/// The bytes of a diagnostic, moved to where characters begin: what was not UTF-8 has been replaced in the text by something longer.
fn drawable(text: &str, diagnostic: &Diagnostic) -> std::ops::Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(diagnostic.span.start);
    let mut end = diagnostic.span.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}
