//! How long the browser keeps the cookie: the function's one setting.

use std::{env, error::Error, ffi::OsStr, fmt};

use cookie::time::Duration;

/// How many days after a visit the browser forgets the count.
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

    /// Reads [`VARIABLE`](Self::VARIABLE): a whole number of days from 0 to
    /// [`MAX_DAYS`](Self::MAX_DAYS), the default where it is not set. 0 makes a session cookie, which
    /// the browser forgets when it is closed.
    ///
    /// # Errors
    ///
    /// If the variable is set to anything else, the empty text included.
    pub fn from_env() -> Result<Self, CookieLifetimeError> {
        env::var_os(Self::VARIABLE).map_or(Ok(Self::default()), |value| Self::parse(&value))
    }

    fn parse(value: &OsStr) -> Result<Self, CookieLifetimeError> {
        value
            .to_str()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|days| *days <= Self::MAX_DAYS)
            .map(|days| Self { days })
            .ok_or_else(|| CookieLifetimeError {
                value: value.to_string_lossy().into_owned(),
            })
    }

    /// A number of days from 0 (a session cookie) to [`MAX_DAYS`](Self::MAX_DAYS).
    ///
    /// # Errors
    ///
    /// If there are more days than browsers keep a cookie.
    pub fn from_days(days: u16) -> Result<Self, CookieLifetimeError> {
        Self::parse(days.to_string().as_ref())
    }

    /// Whether the browser forgets the count when it is closed.
    #[must_use]
    pub const fn is_session(self) -> bool {
        self.days == 0
    }

    /// After how many days without a visit the browser forgets the count; 0 for a session cookie.
    #[must_use]
    pub const fn days(self) -> u16 {
        self.days
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

/// The variable holds something other than a number of days that is admitted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CookieLifetimeError {
    value: String,
}

impl fmt::Display for CookieLifetimeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}={:?} is not a whole number of days from 0 (a session cookie) to {}",
            CookieLifetime::VARIABLE,
            self.value,
            CookieLifetime::MAX_DAYS,
        )
    }
}

impl Error for CookieLifetimeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_0_to_400_days() {
        for (text, days) in [("0", 0), ("1", 1), ("030", 30), ("400", 400)] {
            assert_eq!(
                CookieLifetime::parse(text.as_ref()),
                Ok(CookieLifetime { days }),
                "{text:?}"
            );
        }
    }

    #[test]
    fn an_error_names_the_variable_the_value_and_what_is_admitted() {
        for text in ["", "401", "-1", "+1", "1.5", "forever", " 7", "99999999999"] {
            let error = CookieLifetime::parse(text.as_ref()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "COUNT_COOKIE_MAX_AGE_DAYS={text:?} is not a whole number of days \
                     from 0 (a session cookie) to 400"
                )
            );
        }
    }

    #[test]
    fn zero_days_make_a_session_cookie() {
        assert_eq!(CookieLifetime { days: 0 }.max_age(), None);
        assert_eq!(
            CookieLifetime::default().max_age(),
            Some(Duration::seconds(34_560_000))
        );
    }
}
