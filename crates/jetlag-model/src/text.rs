//! Names, subjects and other short texts.

/// A text that is cheap to clone: up to 23 bytes, which is most names and subjects, are held in place; longer ones are shared. Every record
/// and every crossing names things, and counting who shares a name took a tenth of a simulation's time when all were shared.
pub type Text = smol_str::SmolStr;

/// Puts a text together from its parts.
pub type TextBuilder = smol_str::SmolStrBuilder;
