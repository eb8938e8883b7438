//! Which pages of other sites may show the count, and the headers that permit them.
//!
//! A script on such a page fetches the count, and the browser says in `Origin` which site the script is on
//! ([Fetch, section 3.2](https://fetch.spec.whatwg.org/#origin-header)). The browser lets the script read the
//! answer only if the answer names that origin
//! ([CORS protocol](https://fetch.spec.whatwg.org/#http-cors-protocol)).

use std::{error::Error, fmt, str::FromStr};

use lambda_http::http::{HeaderMap, HeaderValue, header};

use crate::scheme::is_loopback;

/// The origins whose pages may show the count; none by default.
///
/// ```
/// use page_visit_counter::EmbedOrigins;
///
/// let origins: Result<EmbedOrigins, _> = "https://example.com, http://localhost:8080".parse();
/// assert!(origins.is_ok());
/// let origins: Result<EmbedOrigins, _> = "https://example.com/blog".parse();
/// assert!(origins.is_err());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EmbedOrigins(Vec<String>);

impl EmbedOrigins {
    /// The environment variable that lists the origins.
    pub const VARIABLE: &str = "COUNT_EMBED_ORIGINS";

    /// Whether no other site may show the count.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads exact origins, as a browser writes them in `Origin`
/// ([RFC 6454, section 6.2](https://www.rfc-editor.org/rfc/rfc6454#section-6.2)), separated by spaces
/// or commas.
impl FromStr for EmbedOrigins {
    type Err = EmbedOriginError;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        list.split([' ', ','])
            .filter(|entry| !entry.is_empty())
            .map(|entry| {
                let entry = entry.to_owned();
                if is_origin(&entry) {
                    Ok(entry)
                } else {
                    Err(EmbedOriginError { entry })
                }
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Whether an entry is an origin as browsers write it: in lower case, with a non-ASCII name in Punycode, an
/// address in its shortest form, and no default port
/// ([HTML, serialization of an origin](https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin)).
/// Any other spelling would never match. `EmbedOrigins` in template.yaml accepts the same values.
fn is_origin(entry: &str) -> bool {
    let Some((scheme, authority)) = entry.split_once("://") else {
        return false;
    };
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of an IPv6 address is inside its brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    match scheme {
        "https" => (is_name(host) || is_loopback(host)) && port.is_none_or(|it| is_port(it, 443)),
        "http" => is_loopback(host) && port.is_none_or(|it| is_port(it, 80)),
        _ => false,
    }
}

/// The last label begins with a letter: to a browser, a host that ends in a number is an address
/// ([URL, ends-in-a-number checker](https://url.spec.whatwg.org/#ends-in-a-number-checker)).
fn is_name(host: &str) -> bool {
    let is_part = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_part);
    let last = host.rsplit('.').next().unwrap_or_default();
    host.split('.').all(is_label) && last.starts_with(|first: char| first.is_ascii_lowercase())
}

fn is_port(port: &str, default: u16) -> bool {
    port.parse()
        .is_ok_and(|number: u16| number != 0 && number != default && number.to_string() == port)
}

/// An entry of the list is not an origin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EmbedOriginError {
    entry: String,
}

impl fmt::Display for EmbedOriginError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:?} is not an origin as browsers send it: expected https://HOST or https://HOST:PORT, \
             in lower case and without a path or a slash at the end (http only for localhost, and no \
             addresses except 127.0.0.1 and [::1])",
            self.entry,
        )
    }
}

impl Error for EmbedOriginError {}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Caller<'a> {
    /// A visitor or a program, and not a script on another site.
    Direct,
    /// A script on a page of this origin, which may show the count.
    Listed(&'a HeaderValue),
    /// A script on any other page.
    Unlisted,
}

impl<'a> Caller<'a> {
    pub(crate) fn of(headers: &'a HeaderMap, listed: &EmbedOrigins) -> Self {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Self::Direct,
            (Some(origin), None) if listed.0.iter().any(|it| origin == it) => Self::Listed(origin),
            _ => Self::Unlisted,
        }
    }

    pub(crate) fn is_listed(self) -> bool {
        matches!(self, Self::Listed(_))
    }
}

/// Lets a script of a listed origin read the answer, whatever it is.
pub(crate) fn add_headers(headers: &mut HeaderMap, caller: Caller<'_>, listed: &EmbedOrigins) {
    if let Caller::Listed(origin) = caller {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
    }
    if !listed.is_empty() {
        // One line, because payload 2.0 has room for only one.
        let vary = headers.get(header::VARY).and_then(|it| it.to_str().ok());
        let vary = vary.map_or("Origin".to_owned(), |vary| format!("{vary}, Origin"));
        headers.insert(
            header::VARY,
            HeaderValue::try_from(vary).expect("header names are a valid header value"),
        );
    }
}

/// Whether a browser asks whether a script may send its request
/// ([Fetch, CORS-preflight request](https://fetch.spec.whatwg.org/#cors-preflight-request)).
pub(crate) fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// More than any script needs. API Gateway fails where an answer has more than 10 KB of headers.
const MAX_NAMES_BYTES: usize = 1024;

/// Permits a `GET` with any headers, because the function ignores those that it does not know.
pub(crate) fn permit(request: &HeaderMap, answer: &mut HeaderMap) {
    answer.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET"),
    );
    // Not `*`: in a request with cookies, that means a header with the name `*`.
    if let Some(names) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS)
        && names.to_str().is_ok()
        && names.len() <= MAX_NAMES_BYTES
    {
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    // Seconds. Chromium keeps the answer for at most two hours.
    answer.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("7200"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line is `+ ` and an origin, or `- ` and something else. tests/deploy checks the template with it.
    const ORIGINS: &str = include_str!("../tests/deploy/embed_origins.txt");

    fn entries(sign: &'static str) -> impl Iterator<Item = &'static str> {
        ORIGINS
            .lines()
            .filter_map(move |line| line.strip_prefix(sign))
    }

    #[test]
    fn accepts_exact_origins() {
        for entry in entries("+ ") {
            let origins = Ok(EmbedOrigins(vec![entry.to_owned()]));
            assert_eq!(entry.parse(), origins, "{entry}");
        }
    }

    #[test]
    fn spaces_and_commas_separate() {
        let two = EmbedOrigins(vec!["https://a.example".into(), "https://b.example".into()]);
        for list in [
            "https://a.example https://b.example",
            "https://a.example,https://b.example",
            " https://a.example,  https://b.example, ",
        ] {
            assert_eq!(list.parse(), Ok(two.clone()), "{list:?}");
        }
        for list in ["", " ", ",", " , "] {
            assert_eq!(list.parse(), Ok(EmbedOrigins::default()), "{list:?}");
        }
    }

    #[test]
    fn rejects_an_entry_that_no_browser_sends_and_names_it() {
        for entry in entries("- ") {
            let list = format!("https://example.org {entry}");
            let error = list.parse::<EmbedOrigins>().unwrap_err();
            assert_eq!(error.entry, entry);
            let message = error.to_string();
            assert!(
                message.starts_with(&format!("{entry:?} is not an origin")),
                "{message}"
            );
            assert!(message.contains("expected https://HOST"), "{message}");
        }
    }

    #[test]
    fn only_a_single_exact_origin_from_the_list_is_listed() {
        let listed: EmbedOrigins = "https://a.example https://b.example:8443".parse().unwrap();
        let caller = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::ORIGIN, HeaderValue::from_static(line));
            }
            match Caller::of(&headers, &listed) {
                Caller::Direct => "direct".to_owned(),
                Caller::Listed(origin) => origin.to_str().unwrap().to_owned(),
                Caller::Unlisted => "unlisted".to_owned(),
            }
        };
        for (lines, expected) in [
            (&[][..], "direct"),
            (&["https://a.example"], "https://a.example"),
            (&["https://b.example:8443"], "https://b.example:8443"),
            (&["https://b.example"], "unlisted"),
            (&["https://a.example.org"], "unlisted"),
            (&["http://a.example"], "unlisted"),
            (&["HTTPS://A.EXAMPLE"], "unlisted"),
            (&["null"], "unlisted"),
            (&[""], "unlisted"),
            (&["https://a.example", "https://a.example"], "unlisted"),
        ] {
            assert_eq!(caller(lines), expected, "{lines:?}");
        }
    }
}
