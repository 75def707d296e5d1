//! What can be given where a length of time is wanted.

use jetlag_model::{Duration, DurationError};

/// A length of time: a [`Duration`], a [`std::time::Duration`], or a text with a unit.
///
/// ```
/// use jetlag::{Duration, IntoDuration};
///
/// assert_eq!("1m30s".into_duration(), Ok(Duration::from_secs(90)));
/// assert_eq!(std::time::Duration::from_millis(5).into_duration(), Ok(Duration::from_millis(5)));
/// assert_eq!("90".into_duration().unwrap_err().to_string(), r#""90" has no unit; write 90s, 90ms, 90us or 90ns"#);
/// ```
pub trait IntoDuration {
    /// The length of time.
    ///
    /// # Errors
    /// When a text is none, or when it does not fit into 292 years.
    fn into_duration(self) -> Result<Duration, DurationError>;
}

impl IntoDuration for Duration {
    fn into_duration(self) -> Result<Duration, DurationError> {
        Ok(self)
    }
}

impl IntoDuration for std::time::Duration {
    fn into_duration(self) -> Result<Duration, DurationError> {
        let ns = i64::try_from(self.as_nanos());
        ns.map(Duration::from_nanos).map_err(|_| DurationError::OutOfRange(format!("{self:?}")))
    }
}

impl IntoDuration for &str {
    fn into_duration(self) -> Result<Duration, DurationError> {
        self.parse()
    }
}
