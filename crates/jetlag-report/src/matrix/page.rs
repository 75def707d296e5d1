//! The matrix as a page and as JSON. What the page says stands in `templates/coverage.md`; here is only what it is filled with.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};

use super::{Matrix, Status};

const TEMPLATE: &str = include_str!("../../templates/coverage.md");

/// Why a page can not be made: a mistake in its template.
#[derive(Debug, thiserror::Error)]
#[error("the page's template is wrong: {0}")]
pub struct PageError(#[from] minijinja::Error);

/// The page, in Markdown: specification, coverage plan, implementation report and final status.
///
/// # Errors
/// When the template is wrong.
pub fn page(matrix: &Matrix) -> Result<String, PageError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // A line that holds a tag alone is no line of the page.
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?);
    environment.add_filter("cell", cell);
    environment.add_filter("file_name", file_name);
    environment.add_filter("codes", codes);
    environment.add_template("coverage", TEMPLATE)?;
    let statuses = [Status::Covered, Status::Partial, Status::Failing, Status::Uncovered, Status::Elsewhere];
    Ok(environment
        .get_template("coverage")?
        .render(context! { matrix => Value::from(Serde(matrix)), statuses => Value::from(Serde(statuses)) })?)
}

/// The matrix as JSON, one object with line breaks.
pub fn json(matrix: &Matrix) -> String {
    // A matrix is strings, numbers and lists of them.
    let text = serde_json::to_string_pretty(matrix).unwrap_or_default();
    format!("{text}\n")
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// The last part of a path.
fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// A list in a cell: each as code, or a dash.
fn codes(list: Vec<String>) -> Value {
    if list.is_empty() {
        return Value::from("–");
    }
    Value::from(list.iter().map(|text| format!("`{}`", cell(text))).collect::<Vec<_>>().join(", "))
}
