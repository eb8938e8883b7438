//! The configuration, read from the environment variables that `template.yaml` sets.

use std::{
    env,
    net::{Ipv4Addr, Ipv6Addr},
};

use cookie::time::Duration;

/// The most days that a browser keeps a cookie
/// ([RFC 6265bis, section 5.5](https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-5.5)).
const MAX_COOKIE_DAYS: u16 = 400;

/// The function's settings. By default, browsers keep the cookie as long as they can, and no other site may show
/// the count.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many days after a visit the browser forgets the count, at most [`MAX_COOKIE_DAYS`]. 0 means a session
    /// cookie.
    pub(crate) cookie_days: u16,
    /// The origins whose pages may show the count, as browsers write them.
    pub(crate) embed_origins: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cookie_days: MAX_COOKIE_DAYS, embed_origins: Vec::new() }
    }
}

impl Settings {
    /// Reads the variables of [`Settings::read`] from the environment.
    ///
    /// # Errors
    ///
    /// If the number of days is invalid.
    pub fn from_env() -> Result<Self, String> {
        Self::read(|name| Some(env::var_os(name)?.to_string_lossy().into_owned()))
    }

    /// Reads these variables through a function that returns the value of one, if it is set. Otherwise it has its default.
    ///
    /// - `COUNT_COOKIE_MAX_AGE_DAYS`: a whole number from 0 to 400.
    /// - `COUNT_EMBED_ORIGINS`: origins, separated by spaces or commas. What is not an origin is dropped and
    ///   named in the log, because the page and the other sites can do without it.
    ///
    /// # Errors
    ///
    /// If the number of days is invalid. The error names the variable and its value, and says what is expected.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut settings = Self::default();
        let name = "COUNT_COOKIE_MAX_AGE_DAYS";
        if let Some(value) = variable(name) {
            let days = parse_decimal(&value).filter(|days| *days <= MAX_COOKIE_DAYS);
            settings.cookie_days = days.ok_or_else(|| {
                format!("{name}={value:?} is not a whole number of days from 0 (a session cookie) to {MAX_COOKIE_DAYS}")
            })?;
        }
        let name = "COUNT_EMBED_ORIGINS";
        let list = variable(name).unwrap_or_default();
        for entry in list.split([' ', ',']).filter(|entry| !entry.is_empty()) {
            if let Some(origin) = origin(entry) {
                settings.embed_origins.push(origin);
            } else {
                tracing::warn!(
                    "{name}: {entry:?} is dropped, because it is not an origin such as \
                     https://example.com (http only for localhost, 127.0.0.1 and [::1])"
                );
            }
        }
        Ok(settings)
    }

    /// The cookie's `Max-Age`, which a session cookie does not have.
    pub(crate) fn cookie_max_age(&self) -> Option<Duration> {
        (self.cookie_days > 0).then(|| Duration::days(self.cookie_days.into()))
    }
}

/// Reads ASCII digits only, because `u16::from_str` would also accept a `+`.
fn parse_decimal(text: &str) -> Option<u16> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_decimal)
}

/// An origin as browsers write it in `Origin`: in lower case, without the scheme's own port, and without a slash
/// at the end
/// ([HTML, serialization of an origin](https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin)).
//
// Not http's `Uri`, which drops a fragment in silence, and not `url`, which also repairs what an owner did not mean.
fn origin(entry: &str) -> Option<String> {
    let entry = entry.to_ascii_lowercase();
    let (scheme, authority) = entry.strip_suffix('/').unwrap_or(&entry).split_once("://")?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let host = host_name(host)?;
    let default_port = match scheme {
        "https" => 443,
        "http" if is_loopback(&host) => 80,
        _ => return None,
    };
    match port.map(parse_decimal) {
        None => Some(format!("{scheme}://{host}")),
        Some(Some(port)) if port == default_port => Some(format!("{scheme}://{host}")),
        Some(port) => Some(format!("{scheme}://{host}:{}", port?)),
    }
}

/// A host as browsers write it: a name, an IPv4 address, or an IPv6 address in brackets and in its shortest form.
fn host_name(host: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let is_name = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    // Browsers take a name that ends in a number for an IPv4 address, and `127.1` for 127.0.0.1.
    let last = host.trim_end_matches('.').rsplit('.').next()?;
    let is_address = last.bytes().all(|byte| byte.is_ascii_digit());
    (is_name && (!is_address || host.parse::<Ipv4Addr>().is_ok())).then(|| host.to_owned())
}

/// Whether a host is the machine itself, whose pages browsers trust over plain HTTP.
fn is_loopback(host: &str) -> bool {
    let is_loopback = |address: Ipv4Addr| address.is_loopback();
    matches!(host, "localhost" | "[::1]") || host.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Settings, String> {
        Settings::read(|variable| (variable == name).then(|| value.to_owned()))
    }

    #[test]
    fn the_cookie_lives_0_to_400_days() {
        for (text, days) in [("0", 0), ("1", 1), ("030", 30), ("400", 400)] {
            let settings = read("COUNT_COOKIE_MAX_AGE_DAYS", text).unwrap();
            assert_eq!(settings.cookie_days, days, "{text:?}");
            let seconds = settings.cookie_max_age().map(Duration::whole_seconds);
            let expected = (days > 0).then(|| i64::from(days) * 24 * 60 * 60);
            assert_eq!(seconds, expected, "{text:?}");
        }
        for text in ["", "401", "65536", "-1", "+1", "1.5", "1e2", "forever", " 7", "7 ", "٣"] {
            assert_eq!(
                read("COUNT_COOKIE_MAX_AGE_DAYS", text).unwrap_err(),
                format!(
                    "COUNT_COOKIE_MAX_AGE_DAYS={text:?} is not a whole number of days from 0 \
                     (a session cookie) to 400"
                )
            );
        }
    }

    #[test]
    fn without_variables_the_cookie_lives_400_days_and_no_site_is_listed() {
        let settings = Settings::read(|_| None).unwrap();
        assert_eq!(settings.cookie_days, 400);
        assert_eq!(settings.embed_origins, [""; 0]);
    }

    #[test]
    fn origins_become_what_browsers_send() {
        for (entry, origin) in [
            ("https://example.com", "https://example.com"),
            ("HTTPS://Example.com:443/", "https://example.com"),
            ("https://A-b.example.com:8443/", "https://a-b.example.com:8443"),
            ("https://a_b.example.com:80", "https://a_b.example.com:80"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("https://localhost:0443", "https://localhost"),
            ("https://203.0.113.7", "https://203.0.113.7"),
            ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
            ("https://[2001:0db8::0001]/", "https://[2001:db8::1]"),
            ("https://127.example", "https://127.example"),
            ("http://LOCALHOST:80/", "http://localhost"),
            ("http://localhost:443", "http://localhost:443"),
            ("http://127.9.99.199:8080", "http://127.9.99.199:8080"),
            ("http://[::1]", "http://[::1]"),
        ] {
            let settings = read("COUNT_EMBED_ORIGINS", entry).unwrap();
            assert_eq!(settings.embed_origins, [origin], "{entry}");
        }
    }

    #[test]
    fn only_what_is_not_an_origin_is_dropped() {
        for entry in [
            "*",
            "null",
            "example.com",
            "example.com:443",
            "//example.com",
            "https:",
            "https://",
            "https:example.com",
            "https://:8443",
            "https://*.example.com",
            "https://example.com/blog",
            "https://example.com//",
            "https://example.com?",
            "https://example.com#f",
            "https://example.com/#f",
            "https://example.com:443#@y",
            "https://example.com:+8443",
            "https://[]",
            "https://[:::::]",
            "https://[2001:db8::1",
            "https://127.1",
            "https://example.1.",
            "https://example.com\\",
            "https://owner@example.com",
            "https://owner:secret@example.com:8443",
            "https://example.com;https://example.org",
            "https://example.com:",
            "https://example.com:x",
            "https://example.com:99999",
            "https://example.com:8443:8443",
            "https://bücher.example",
            "https://[::1",
            "http://example.com",
            "http://localhost.example.com",
            "http://127.1",
            "http://192.168.0.1",
            "ftp://localhost",
            "chrome-extension://abcdefghijklmnop",
        ] {
            let list = format!(" https://a.example,, {entry} https://b.example ");
            let settings = read("COUNT_EMBED_ORIGINS", &list).unwrap();
            let others = ["https://a.example", "https://b.example"];
            assert_eq!(settings.embed_origins, others, "{entry}");
        }
    }
}
