//! The `count` cookie: reading it, setting it, forgetting it.

use cookie::{Cookie, SameSite, time::Duration};
use lambda_http::http::{HeaderMap, HeaderValue, header};

use crate::{Settings, visit_count::VisitCount};

/// The cookie's name, compared exactly.
pub(crate) const NAME: &str = "count";

/// What the browser sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Received {
    /// No `count` cookie.
    Nothing,
    /// A `count` cookie whose value is not a [`VisitCount`].
    Malformed,
    /// A count. If there are several, for example because an old cookie of another path or domain remains,
    /// the greatest: browsers do not send them in a dependable order.
    Count(VisitCount),
}

impl Received {
    /// The count of this visit: one more than the browser sent. A browser that sent no valid count is a new
    /// visitor.
    pub(crate) fn next(self) -> VisitCount {
        match self {
            Self::Count(previous) => previous.next(),
            Self::Nothing | Self::Malformed => VisitCount::FIRST,
        }
    }
}

/// Finds the count in all the `Cookie` lines of a request.
///
/// Reads bytes, so that another cookie that is not UTF-8 does not hide the count. Only the white
/// space of HTTP is trimmed. One pair of double quotes around the value is removed, because a server may send
/// one ([RFC 6265, section 4.1.1](https://www.rfc-editor.org/rfc/rfc6265#section-4.1.1)).
pub(crate) fn read(headers: &HeaderMap) -> Received {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let counts = pairs.filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (&pair[..equals], &pair[equals + 1..]);
        (name.trim_ascii() == NAME.as_bytes()).then(|| {
            let value = str::from_utf8(value.trim_ascii()).ok()?;
            VisitCount::from_digits(Cookie::new(NAME, value).value_trimmed())
        })
    });
    let counts: Vec<Option<VisitCount>> = counts.collect();
    match counts.iter().flatten().max() {
        Some(greatest) => Received::Count(*greatest),
        None if counts.is_empty() => Received::Nothing,
        None => Received::Malformed,
    }
}

/// Where the browser keeps the cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Jar {
    /// With the cookies of the counter's own site.
    OwnSite {
        /// Whether to send it over HTTPS only.
        secure: bool,
    },
    /// With the cookies that the counter has on pages of the embedding site, separate from those for other
    /// sites and from the counter's own
    /// ([CHIPS](https://developer.mozilla.org/en-US/docs/Web/Privacy/Guides/Privacy_sandbox/Partitioned_cookies)).
    Partitioned,
}

/// The `Set-Cookie` value that makes the browser remember the count.
pub(crate) fn set(count: VisitCount, settings: &Settings, jar: Jar) -> HeaderValue {
    header_value(count.to_string(), settings.cookie_max_age(), jar)
}

/// The `Set-Cookie` value that makes the browser forget the count.
pub(crate) fn forget(jar: Jar) -> HeaderValue {
    header_value(String::new(), Some(Duration::ZERO), jar)
}

fn header_value(value: String, max_age: Option<Duration>, jar: Jar) -> HeaderValue {
    let mut cookie = Cookie::new(NAME, value);
    // One count for the whole origin, whatever path the page was opened at.
    cookie.set_path("/");
    cookie.set_max_age(max_age);
    // No script needs the cookie.
    cookie.set_http_only(true);
    match jar {
        Jar::OwnSite { secure } => {
            // Not Strict: a visitor who follows a link from another site would start again at 1.
            cookie.set_same_site(SameSite::Lax);
            cookie.set_secure(secure);
        }
        Jar::Partitioned => {
            // Without these, the browser would not send the cookie from a page of another site.
            cookie.set_same_site(SameSite::None);
            cookie.set_secure(true);
            cookie.set_partitioned(true);
        }
    }
    HeaderValue::try_from(cookie.to_string()).expect("digits and fixed attributes are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTPS: Jar = Jar::OwnSite { secure: true };
    const HTTP: Jar = Jar::OwnSite { secure: false };

    fn read_lines(lines: &[&[u8]]) -> Received {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        read(&headers)
    }

    #[test]
    fn reads_a_count_however_it_is_written() {
        for (line, count) in [
            ("count=7", 7),
            ("count=007", 7),
            ("count=\"7\"", 7),
            (" count = 7 ", 7),
            ("count\t=\t7", 7),
            ("count=0", 0),
            ("count=18446744073709551615", u64::MAX),
        ] {
            assert_eq!(read_lines(&[line.as_bytes()]), Received::Count(count.into()), "{line:?}");
        }
    }

    #[test]
    fn a_value_that_is_not_a_count_is_malformed() {
        for line in [
            "count=",
            "count=abc",
            "count=-5",
            "count=+5",
            "count=1_000",
            "count=٣",
            "count=７",
            "count=1.0",
            "count=1e3",
            "count=0x10",
            "count=7 7",
            "count=7=",
            "count=18446744073709551616",
            "count=\"\"",
            "count=\"7",
            "count=7\"",
            "count=\"\"7\"\"",
            "count=\" 7 \"",
            "count=\"",
            "count==7",
            "count=9999999999999999999999999",
            "count=7,8",
            "count=%37",
            "count=7\u{a0}",
        ] {
            assert_eq!(read_lines(&[line.as_bytes()]), Received::Malformed, "{line:?}");
        }
    }

    #[test]
    fn a_count_that_is_not_utf_8_is_malformed() {
        assert_eq!(read_lines(&[b"count=\xff"]), Received::Malformed);
    }

    #[test]
    fn a_cookie_with_another_name_is_not_the_count() {
        for line in [
            "",
            ";",
            "; ;",
            "=7",
            "count",
            "Count=7",
            "COUNT=7",
            "xcount=7",
            "count2=7",
            "co unt=7",
            "count[]=7",
            "\"count\"=7",
            "$count=7",
            "\u{a0}count=7",
            "\u{3000}count=7",
        ] {
            assert_eq!(read_lines(&[line.as_bytes()]), Received::Nothing, "{line:?}");
        }
    }

    #[test]
    fn finds_the_count_among_other_cookies() {
        for line in [
            &b"a=1; count=7"[..],
            b"count=7; a=1",
            b"a=1;count=7;b=2",
            b"=nameless; count=7; nameless",
            b";;; count=7; ; ;",
            b"city=S\xe3o Paulo; count=7",
            b"\xff\xfe; count=7; \x80=\x81",
            b"quoted=\"a; count=7; b\"",
            b"theme={\"dark\":true}; count=7; _ga=GA1.2.3.4",
        ] {
            assert_eq!(read_lines(&[line]), Received::Count(7.into()), "{line:?}");
        }
    }

    #[test]
    fn the_greatest_valid_count_wins_in_any_order() {
        for lines in [
            &[&b"count=7; count=3"[..]][..],
            &[b"count=3; count=7"],
            &[b"count=7; count=abc"],
            &[b"count=abc; count=7"],
            &[b"count=3", b"a=1", b"count=7; count=5"],
        ] {
            assert_eq!(read_lines(lines), Received::Count(7.into()), "{lines:?}");
        }
    }

    #[test]
    fn no_cookie_line_is_no_count() {
        assert_eq!(read_lines(&[]), Received::Nothing);
    }

    #[test]
    fn sets_the_count_with_every_attribute() {
        assert_eq!(
            set(3.into(), &Settings::default(), HTTPS),
            "count=3; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000"
        );
    }

    #[test]
    fn a_session_cookie_has_every_other_attribute() {
        assert_eq!(
            set(3.into(), &Settings { cookie_days: 0, ..Settings::default() }, HTTPS),
            "count=3; HttpOnly; SameSite=Lax; Secure; Path=/"
        );
    }

    #[test]
    fn is_not_secure_over_plain_http() {
        assert_eq!(
            set(3.into(), &Settings::default(), HTTP),
            "count=3; HttpOnly; SameSite=Lax; Path=/; Max-Age=34560000"
        );
    }

    #[test]
    fn is_kept_separately_for_each_site_that_embeds_it() {
        assert_eq!(
            set(3.into(), &Settings::default(), Jar::Partitioned),
            "count=3; HttpOnly; SameSite=None; Partitioned; Secure; Path=/; Max-Age=34560000"
        );
    }

    #[test]
    fn forgets_with_the_attributes_that_it_was_set_with() {
        assert_eq!(forget(HTTPS), "count=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0");
        assert_eq!(forget(HTTP), "count=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    }
}
