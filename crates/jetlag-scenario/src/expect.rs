//! `expect`: what metrics and alerts must be. Reading and printing is elsewhere.

use std::fmt;

use crate::Name;

/// `expect ...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// `expect metric NAME CHANGE|VALUE [LABEL=VALUE]...`
    Metric(ExpectMetric),
    /// `expect no-other-metric [NAME|PREFIX*]`: apart from what the `expect metric` lines right above name, nothing changed.
    NoOtherMetric(Option<Name>),
    /// `expect alert NAME [LABEL=VALUE]...`, `expect no-alert NAME [LABEL=VALUE]...`
    Alert(ExpectAlert),
}

/// `expect metric NAME CHANGE|VALUE [LABEL=VALUE]...`: of all series with these labels together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectMetric {
    /// The metric.
    pub name: Name,
    /// What it must be.
    pub wanted: Wanted,
    /// Which series: those that have these labels, whatever others they have.
    pub labels: Vec<(String, String)>,
}

/// `expect alert NAME`, `expect no-alert NAME`: whether it fires now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectAlert {
    /// The alert.
    pub name: Name,
    /// Whether it fires.
    pub fires: bool,
    /// Labels that it has.
    pub labels: Vec<(String, String)>,
}

/// What a metric must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `+2`, `-1`, `+0`: so much more or less than at the last expectations.
    Change(Amount),
    /// `2`: this, now.
    Value(Amount),
}

/// A number with up to three decimal places: what counters and gauges are compared with, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount {
    thousandths: i64,
}

impl Amount {
    /// So many thousandths.
    pub const fn from_thousandths(thousandths: i64) -> Amount {
        Amount { thousandths }
    }

    /// As metrics hold it. Exact for whole numbers up to 2^53 and for halves, quarters and eighths.
    pub fn as_f64(self) -> f64 {
        self.thousandths as f64 / 1000.0
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.thousandths < 0
    }
}

impl From<i64> for Amount {
    /// A whole number; saturates at a thousandth of the range.
    fn from(whole: i64) -> Amount {
        Amount { thousandths: whole.saturating_mul(1000) }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.thousandths.unsigned_abs();
        let sign = if self.is_negative() { "-" } else { "" };
        let decimals = format!("{:03}", size % 1000);
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{sign}{}", size / 1000),
            decimals => write!(f, "{sign}{}.{decimals}", size / 1000),
        }
    }
}

impl Amount {
    /// Reads a number without a sign.
    pub(crate) fn parse(text: &str) -> Option<Amount> {
        let (whole, decimals) = text.split_once('.').map_or((text, None), |(whole, decimals)| (whole, Some(decimals)));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || whole.is_empty() || decimals.is_some_and(|text| !digits(text) || text.is_empty() || text.len() > 3) {
            return None;
        }
        let part = |text: &str| text.parse::<i64>().ok();
        let decimals = decimals.map_or(Some(0), |text| part(&format!("{text:0<3}")))?;
        part(whole)?.checked_mul(1000)?.checked_add(decimals).map(Amount::from_thousandths)
    }
}

impl Wanted {
    /// Reads a change, with its sign, or a value, without one.
    pub(crate) fn parse(text: &str) -> Option<Wanted> {
        match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(more), _) => Amount::parse(more).map(Wanted::Change),
            // Less by nothing is no other change than more by nothing, and prints as that.
            (_, Some(less)) => Amount::parse(less).map(|Amount { thousandths }| Wanted::Change(Amount { thousandths: -thousandths })),
            (None, None) => Amount::parse(text).map(Wanted::Value),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Change(by) if by.is_negative() => by.fmt(f),
            Wanted::Change(by) => write!(f, "+{by}"),
            Wanted::Value(value) => value.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_printed_exactly() {
        for (text, printed) in [
            ("2", Some("2")),
            ("0.5", Some("0.5")),
            ("+2", Some("+2")),
            ("+0", Some("+0")),
            ("-0", Some("+0")),
            ("-1.250", Some("-1.25")),
            ("007", Some("7")),
            ("9223372036854775", Some("9223372036854775")),
            ("9223372036854776", None),
            ("0.0005", None),
            ("1.", None),
            (".5", None),
            ("", None),
            ("+", None),
            ("+-1", None),
            ("1e3", None),
        ] {
            assert_eq!(Wanted::parse(text).map(|wanted| wanted.to_string()).as_deref(), printed, "{text}");
        }
        assert_eq!(Amount::parse("0.5").map(Amount::as_f64), Some(0.5));
        assert_eq!(Amount::from(-3).as_f64(), -3.0);
    }
}
