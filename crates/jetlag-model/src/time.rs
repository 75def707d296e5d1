//! Time as integers: instants of the virtual clock, wall time, durations. Nothing here reads a clock.

use std::fmt;
use std::ops::{Add, AddAssign, Mul, Neg, Sub};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Nanoseconds in one second.
const SECOND: i64 = 1_000_000_000;

/// An instant of the monotonic clock: nanoseconds since the run started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The instant at which a run starts.
    pub const START: Time = Time(0);
    /// Later than every instant a run can reach.
    pub const NEVER: Time = Time(u64::MAX);

    /// The instant `ns` nanoseconds after the start.
    pub const fn from_nanos(ns: u64) -> Time {
        Time(ns)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time since the start.
    pub fn since_start(self) -> Duration {
        Duration::from_nanos(i64::try_from(self.0).unwrap_or(i64::MAX))
    }

    /// The signed distance from `earlier` to `self`; negative when `earlier` is the later one.
    pub fn since(self, earlier: Time) -> Duration {
        if self.0 >= earlier.0 {
            Duration(i64::try_from(self.0 - earlier.0).unwrap_or(i64::MAX))
        } else {
            Duration(-i64::try_from(earlier.0 - self.0).unwrap_or(i64::MAX))
        }
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    /// Saturates at the start and at [`Time::NEVER`].
    fn add(self, rhs: Duration) -> Time {
        if rhs.0 >= 0 { Time(self.0.saturating_add(rhs.0.unsigned_abs())) } else { Time(self.0.saturating_sub(rhs.0.unsigned_abs())) }
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.since_start().fmt(f)
    }
}

/// Wall-clock time: nanoseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(i64);

impl WallTime {
    /// `ns` nanoseconds after the Unix epoch.
    pub const fn from_unix_nanos(ns: i64) -> WallTime {
        WallTime(ns)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// The signed distance from `earlier` to `self`.
    pub fn since(self, earlier: WallTime) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }

    /// Parses RFC 3339 in UTC (`2026-01-01T00:00:00.5Z`), as the server writes it. `None` if it is not of that form.
    pub fn parse_rfc3339(text: &str) -> Option<WallTime> {
        let text = text.strip_suffix('Z')?;
        let (date, clock) = text.split_once('T')?;
        let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
        let (year, month, day) = (date.next()??, date.next()??, date.next()??);
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let mut clock = clock.splitn(3, ':').map(|part| part.parse::<i64>().ok());
        let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
        let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
        if !in_range || fraction.len() > 9 {
            return None;
        }
        let nanos = if fraction.is_empty() { 0 } else { format!("{fraction:0<9}").parse::<i64>().ok()? };
        let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        seconds.checked_mul(SECOND)?.checked_add(nanos).map(WallTime)
    }
}

impl Add<Duration> for WallTime {
    type Output = WallTime;
    fn add(self, rhs: Duration) -> WallTime {
        WallTime(self.0.saturating_add(rhs.0))
    }
}

impl Sub<Duration> for WallTime {
    type Output = WallTime;
    fn sub(self, rhs: Duration) -> WallTime {
        WallTime(self.0.saturating_sub(rhs.0))
    }
}

impl fmt::Display for WallTime {
    /// RFC 3339 with as many fractional digits as are needed, in UTC: what Go calls `RFC3339Nano`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.div_euclid(SECOND), self.0.rem_euclid(SECOND));
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let clock = seconds.rem_euclid(86_400);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", clock / 3_600, clock / 60 % 60, clock % 60)?;
        if nanos > 0 {
            write!(f, ".{}", format!("{nanos:09}").trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

impl Serialize for WallTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WallTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<WallTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        WallTime::parse_rfc3339(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not an RFC 3339 time in UTC")))
    }
}

/// Days since the epoch of a civil date (proleptic Gregorian calendar).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The civil date of a number of days since the epoch.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * shifted_month + 2) / 5 + 1)
}

/// Both clocks at one instant. Timers fire on `mono`; ack deadlines, nak delays and ages are stamped and compared in `wall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock.
    pub mono: Time,
    /// The wall clock.
    pub wall: WallTime,
}

/// A signed length of time in nanoseconds.
///
/// Written as in Go, exactly and in one way: `30s`, `1m30s`, `29.999s`, `1.5ms`, `250us`, `7ns`, `0s`.
///
/// ```
/// use jetlag_model::Duration;
/// let wait: Duration = "1m30s".parse().unwrap();
/// assert_eq!(wait, Duration::from_secs(90));
/// assert_eq!(wait.to_string(), "1m30s");
/// assert!("30".parse::<Duration>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(i64);

impl Duration {
    /// No time at all.
    pub const ZERO: Duration = Duration(0);

    /// `ns` nanoseconds.
    pub const fn from_nanos(ns: i64) -> Duration {
        Duration(ns)
    }

    /// `us` microseconds.
    pub const fn from_micros(us: i64) -> Duration {
        Duration(us * 1_000)
    }

    /// `ms` milliseconds.
    pub const fn from_millis(ms: i64) -> Duration {
        Duration(ms * 1_000_000)
    }

    /// `s` seconds.
    pub const fn from_secs(s: i64) -> Duration {
        Duration(s * SECOND)
    }

    /// Nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// As Go prints it, which the server's texts do: `2s`, `1.5s`, `1m0s`, `1h0m0s`.
    pub fn as_go(self) -> String {
        let minute = 60 * SECOND;
        if self.0.unsigned_abs() < minute.unsigned_abs() {
            return self.to_string().replace("us", "µs");
        }
        let sign = if self.is_negative() { "-" } else { "" };
        let total = self.0.unsigned_abs();
        let (minutes, rest) = (total / minute.unsigned_abs(), total % minute.unsigned_abs());
        // Below a minute Go writes what this crate writes, but for whole seconds of nothing and parts of one.
        let whole = rest / SECOND.unsigned_abs();
        let fraction = format!("{:09}", rest % SECOND.unsigned_abs());
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        let hours = if minutes >= 60 { format!("{}h", minutes / 60) } else { String::new() };
        format!("{sign}{hours}{}m{whole}{point}{fraction}s", minutes % 60)
    }

    /// Whether this is exactly zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether this is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }
}

impl Add for Duration {
    type Output = Duration;
    fn add(self, rhs: Duration) -> Duration {
        Duration(self.0.saturating_add(rhs.0))
    }
}

impl Sub for Duration {
    type Output = Duration;
    fn sub(self, rhs: Duration) -> Duration {
        Duration(self.0.saturating_sub(rhs.0))
    }
}

impl Neg for Duration {
    type Output = Duration;
    fn neg(self) -> Duration {
        Duration(self.0.saturating_neg())
    }
}

impl Mul<i64> for Duration {
    type Output = Duration;
    fn mul(self, rhs: i64) -> Duration {
        Duration(self.0.saturating_mul(rhs))
    }
}

impl From<Duration> for std::time::Duration {
    /// Negative durations become zero.
    fn from(value: Duration) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(value.0).unwrap_or(0))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match total {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{total}ns"),
            1_000..1_000_000 => write_decimal(f, total, 1_000, "us"),
            1_000_000..1_000_000_000 => write_decimal(f, total, 1_000_000, "ms"),
            _ => {
                let (hours, rest) = (total / 3_600_000_000_000, total % 3_600_000_000_000);
                let (minutes, rest) = (rest / 60_000_000_000, rest % 60_000_000_000);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                if rest > 0 { write_decimal(f, rest, 1_000_000_000, "s") } else { Ok(()) }
            }
        }
    }
}

/// Writes `value / unit` as a decimal number without trailing zeros.
fn write_decimal(f: &mut fmt::Formatter<'_>, value: u64, unit: u64, name: &str) -> fmt::Result {
    let (whole, fraction) = (value / unit, value % unit);
    write!(f, "{whole}")?;
    if fraction > 0 {
        let digits = unit.ilog10() as usize;
        write!(f, ".{}", format!("{fraction:0digits$}").trim_end_matches('0'))?;
    }
    f.write_str(name)
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// No text at all.
    #[error("a duration is empty; write one such as 30s, 1m30s or 250ms")]
    Empty,
    /// A number without a unit.
    #[error("{0:?} has no unit; write {0}s, {0}ms, {0}us or {0}ns")]
    NoUnit(String),
    /// A unit that does not exist.
    #[error("{0:?} is no unit of time; units are h, m, s, ms, us, ns")]
    UnknownUnit(String),
    /// Not a number where one belongs.
    #[error("{0:?} is not a duration; write one such as 30s, 1m30s or 250ms")]
    NotANumber(String),
    /// Finer than a nanosecond or longer than 292 years.
    #[error("{0:?} can not be held in whole nanoseconds below 292 years")]
    OutOfRange(String),
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Duration, DurationError> {
        if text.is_empty() {
            return Err(DurationError::Empty);
        }
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut total: i128 = 0;
        if rest == "0" {
            return Ok(Duration::ZERO);
        }
        if rest.is_empty() {
            return Err(DurationError::NotANumber(text.to_owned()));
        }
        while !rest.is_empty() {
            let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, tail) = rest.split_at(number_len);
            let unit_len = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_len);
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            if whole.is_empty() || fraction.contains('.') || (number.contains('.') && fraction.is_empty()) {
                return Err(DurationError::NotANumber(text.to_owned()));
            }
            let scale: i128 = match unit {
                "ns" => 1,
                "us" | "µs" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                "" => return Err(DurationError::NoUnit(text.to_owned())),
                _ => return Err(DurationError::UnknownUnit(unit.to_owned())),
            };
            let out_of_range = || DurationError::OutOfRange(text.to_owned());
            let fraction = fraction.trim_end_matches('0');
            let digits: i128 = format!("{whole}{fraction}").parse().map_err(|_| out_of_range())?;
            let divisor = 10_i128.checked_pow(u32::try_from(fraction.len()).unwrap_or(u32::MAX)).ok_or_else(out_of_range)?;
            let scaled = digits.checked_mul(scale).ok_or_else(out_of_range)?;
            if scaled % divisor != 0 {
                return Err(out_of_range());
            }
            total += scaled / divisor;
            rest = tail;
        }
        let total = if negative { -total } else { total };
        i64::try_from(total).map(Duration).map_err(|_| DurationError::OutOfRange(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_written_in_one_way() {
        for (text, ns) in [
            ("0s", 0),
            ("7ns", 7),
            ("1.5us", 1_500),
            ("250us", 250_000),
            ("20ms", 20_000_000),
            ("29.999s", 29_999_000_000),
            ("1m30s", 90_000_000_000),
            ("1h", 3_600_000_000_000),
            ("24h0.000000001s", 86_400_000_000_001),
            ("-1.4s", -1_400_000_000),
        ] {
            assert_eq!(Duration::from_nanos(ns).to_string(), text);
            assert_eq!(text.parse(), Ok(Duration::from_nanos(ns)));
        }
    }

    #[test]
    fn durations_as_go_prints_them() {
        for (ns, text) in [
            (0, "0s"),
            (20_000_000, "20ms"),
            (5_000, "5µs"),
            (1_500_000_000, "1.5s"),
            (60_000_000_000, "1m0s"),
            (60_500_000_000, "1m0.5s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (-60_000_000_000, "-1m0s"),
        ] {
            assert_eq!(Duration::from_nanos(ns).as_go(), text);
        }
    }

    #[test]
    fn what_is_no_duration_says_why() {
        for (text, error) in [
            ("", DurationError::Empty),
            ("30", DurationError::NoUnit("30".into())),
            ("30parsecs", DurationError::UnknownUnit("parsecs".into())),
            ("s", DurationError::NotANumber("s".into())),
            ("1.s", DurationError::NotANumber("1.s".into())),
            ("-", DurationError::NotANumber("-".into())),
            ("0.1ns", DurationError::OutOfRange("0.1ns".into())),
            ("300000000h", DurationError::OutOfRange("300000000h".into())),
        ] {
            assert_eq!(text.parse::<Duration>(), Err(error), "{text}");
        }
    }

    #[test]
    fn wall_time_is_rfc3339() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_767_225_600_000_000_000, "2026-01-01T00:00:00Z"),
            (1_767_225_600_500_000_000, "2026-01-01T00:00:00.5Z"),
            (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
        ] {
            assert_eq!(WallTime::from_unix_nanos(ns).to_string(), text);
            assert_eq!(WallTime::parse_rfc3339(text), Some(WallTime::from_unix_nanos(ns)));
        }
        assert_eq!(WallTime::parse_rfc3339("2026-13-01T00:00:00Z"), None);
        assert_eq!(WallTime::parse_rfc3339("yesterday"), None);
    }

    proptest! {
        #[test]
        fn duration_text_round_trips(ns in any::<i64>().prop_filter("no overflow on negation", |ns| *ns != i64::MIN)) {
            let duration = Duration::from_nanos(ns);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn wall_time_text_round_trips(ns in 0_i64..4_000_000_000_000_000_000) {
            let wall = WallTime::from_unix_nanos(ns);
            prop_assert_eq!(WallTime::parse_rfc3339(&wall.to_string()), Some(wall));
        }
    }
}
