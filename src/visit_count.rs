//! The number itself.

use std::{error::Error, fmt, str::FromStr};

/// How often a browser has visited the page, this visit included.
///
/// ```
/// use page_visit_counter::VisitCount;
///
/// let sent: VisitCount = "2".parse()?;
/// assert_eq!(sent.next().to_string(), "3");
/// # Ok::<(), page_visit_counter::ParseVisitCountError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct VisitCount(u64);

impl VisitCount {
    /// The count of a browser's first visit.
    pub const FIRST: Self = Self(1);

    /// The count after one more visit. At [`u64::MAX`] it stays there: a count never wraps.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Whether this is the count of a first visit.
    #[must_use]
    pub fn is_first(self) -> bool {
        self == Self::FIRST
    }
}

impl From<u64> for VisitCount {
    fn from(count: u64) -> Self {
        Self(count)
    }
}

impl From<VisitCount> for u64 {
    fn from(count: VisitCount) -> Self {
        count.0
    }
}

impl fmt::Display for VisitCount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Reads ASCII digits only, leading zeros included. [`u64::from_str`] would also take a `+`.
impl FromStr for VisitCount {
    type Err = ParseVisitCountError;

    fn from_str(digits: &str) -> Result<Self, Self::Err> {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseVisitCountError(()));
        }
        digits
            .parse()
            .map(Self)
            .map_err(|_| ParseVisitCountError(()))
    }
}

/// The text is not a decimal number from 0 to [`u64::MAX`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ParseVisitCountError(());

impl fmt::Display for ParseVisitCountError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "a visit count is a decimal number from 0 to {}",
            u64::MAX
        )
    }
}

impl Error for ParseVisitCountError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_decimal_digits() {
        for (text, count) in [
            ("0", 0),
            ("7", 7),
            ("007", 7),
            ("0000000000000000000000007", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(VisitCount(count)), "{text:?}");
        }
    }

    #[test]
    fn grows_by_one_and_saturates_at_the_maximum() {
        for (count, next) in [
            (0, 1),
            (1, 2),
            (u64::MAX - 1, u64::MAX),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(VisitCount(count).next(), VisitCount(next), "{count}");
        }
    }

    #[test]
    fn the_error_says_what_a_count_is() {
        assert_eq!(
            "abc".parse::<VisitCount>().unwrap_err().to_string(),
            "a visit count is a decimal number from 0 to 18446744073709551615"
        );
    }
}
