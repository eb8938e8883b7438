//! How long the browser keeps the cookie.

use std::{error::Error, fmt, str::FromStr};

use cookie::time::Duration;

/// How many days after a visit the browser forgets the count.
///
/// ```
/// use page_visit_counter::CookieLifetime;
///
/// let lifetime = CookieLifetime::from_days(30)?;
/// assert_eq!(lifetime, "30".parse()?);
/// assert!(CookieLifetime::from_days(401).is_err());
/// # Ok::<(), page_visit_counter::CookieLifetimeError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CookieLifetime {
    days: u16,
}

impl CookieLifetime {
    /// The environment variable that holds the number of days.
    pub const VARIABLE: &str = "COUNT_COOKIE_MAX_AGE_DAYS";

    /// The most days that a browser keeps a cookie
    /// ([RFC 6265bis, section 5.5](https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-5.5)),
    /// and the default.
    pub const MAX_DAYS: u16 = 400;

    /// A number of days from 0 to [`MAX_DAYS`](Self::MAX_DAYS). 0 makes a session cookie, which the
    /// browser forgets when it is closed.
    ///
    /// # Errors
    ///
    /// If there are more than [`MAX_DAYS`](Self::MAX_DAYS).
    pub fn from_days(days: u16) -> Result<Self, CookieLifetimeError> {
        if days > Self::MAX_DAYS {
            return Err(CookieLifetimeError::new(&days.to_string()));
        }
        Ok(Self { days })
    }

    /// The number of days without a visit after which the browser forgets the count; 0 for a session cookie.
    #[must_use]
    pub const fn days(self) -> u16 {
        self.days
    }

    /// Whether the browser forgets the count when it is closed.
    #[must_use]
    pub const fn is_session(self) -> bool {
        self.days == 0
    }

    /// The cookie's `Max-Age`, which a session cookie does not have.
    pub(crate) fn max_age(self) -> Option<Duration> {
        (!self.is_session()).then(|| Duration::days(self.days.into()))
    }
}

impl Default for CookieLifetime {
    fn default() -> Self {
        Self {
            days: Self::MAX_DAYS,
        }
    }
}

/// Reads ASCII digits only, as [`VisitCount`](crate::VisitCount) does.
impl FromStr for CookieLifetime {
    type Err = CookieLifetimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(days) if is_decimal => Self::from_days(days),
            _ => Err(CookieLifetimeError::new(text)),
        }
    }
}

/// The value is not a number of days for which browsers keep a cookie.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CookieLifetimeError {
    found: String,
}

impl CookieLifetimeError {
    fn new(found: &str) -> Self {
        Self {
            found: found.to_owned(),
        }
    }
}

impl fmt::Display for CookieLifetimeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:?} is not a whole number of days from 0 (a session cookie) to {}",
            self.found,
            CookieLifetime::MAX_DAYS,
        )
    }
}

impl Error for CookieLifetimeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_0_to_400_days() {
        for (text, days) in [("0", 0), ("1", 1), ("030", 30), ("400", 400)] {
            assert_eq!(text.parse(), Ok(CookieLifetime { days }), "{text:?}");
            assert_eq!(CookieLifetime::from_days(days).unwrap().days(), days);
        }
    }

    #[test]
    fn rejects_anything_else_and_says_what_it_found_and_what_it_expects() {
        for text in [
            "", "401", "65536", "-1", "+1", "1.5", "1e2", "forever", " 7", "7 ", "٣",
        ] {
            let error = text.parse::<CookieLifetime>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{text:?} is not a whole number of days from 0 (a session cookie) to 400")
            );
        }
        assert_eq!(CookieLifetime::from_days(401), "401".parse());
    }

    #[test]
    fn zero_days_make_a_session_cookie() {
        let session = CookieLifetime::from_days(0).unwrap();
        assert!(session.is_session());
        assert_eq!(session.max_age(), None);
        let longest = CookieLifetime::default();
        assert!(!longest.is_session());
        assert_eq!(longest.max_age(), Some(Duration::seconds(34_560_000)));
    }
}
