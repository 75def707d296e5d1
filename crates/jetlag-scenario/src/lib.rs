//! The scenario language: parse, print, diagnostics.
