//! Words as a shell takes them, for the commands that reports end with.

/// The text as one word of a shell: as it is where that is safe, in single quotes otherwise.
///
/// ```
/// assert_eq!(jetlag_report::quoted("scenarios/s1/a.scn"), "scenarios/s1/a.scn");
/// assert_eq!(jetlag_report::quoted("it's"), r"'it'\''s'");
/// ```
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,=@%:".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
