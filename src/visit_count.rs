//! The count of visits.

use std::fmt;

/// How often a browser has visited the page, including this visit.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct VisitCount(u64);

impl VisitCount {
    /// The count of a browser's first visit.
    pub(crate) const FIRST: Self = Self(1);

    /// Reads a decimal number from 0 to [`u64::MAX`]: ASCII digits only, leading zeros included.
    pub(crate) fn from_digits(digits: &str) -> Option<Self> {
        // `u64::from_str` would also accept a `+`.
        let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| is_decimal).map(Self)
    }

    /// The count after one more visit. It never wraps: after [`u64::MAX`] it stays the same.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for VisitCount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl From<u64> for VisitCount {
        fn from(count: u64) -> Self {
            Self(count)
        }
    }

    #[test]
    fn reads_decimal_digits() {
        for (text, count) in
            [("0", 0), ("7", 7), ("007", 7), ("0000000000000000000000007", 7), ("18446744073709551615", u64::MAX)]
        {
            let read = VisitCount::from_digits(text);
            assert_eq!(read, Some(VisitCount(count)), "{text:?}");
        }
    }

    #[test]
    fn rejects_anything_else() {
        for text in ["", "abc", "-5", "+5", "1_000", "٣", "1.0", "18446744073709551616"] {
            assert_eq!(VisitCount::from_digits(text), None, "{text:?}");
        }
    }

    #[test]
    fn grows_by_one_and_saturates_at_the_maximum() {
        for (count, next) in [(0, 1), (1, 2), (u64::MAX - 1, u64::MAX), (u64::MAX, u64::MAX)] {
            assert_eq!(VisitCount(count).next(), VisitCount(next), "{count}");
        }
    }
}
