//! The count on pages of other sites: which may show it, and what a browser has to be told for that.
//!
//! A script on such a page fetches the count, and the browser says in `Origin` which site it comes from
//! ([Fetch, section 3.2](https://fetch.spec.whatwg.org/#origin-header)). The browser lets the script
//! read the answer only if that names the origin
//! ([CORS protocol](https://fetch.spec.whatwg.org/#http-cors-protocol)).

use std::{
    error::Error,
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use lambda_http::http::{HeaderMap, HeaderValue, Uri, header};

use crate::scheme;

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

/// Reads exact origins, as a browser writes them into `Origin`
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

/// Whether a browser would write an origin so. Any other spelling would never match.
fn is_origin(entry: &str) -> bool {
    let Ok(uri) = entry.parse::<Uri>() else {
        return false;
    };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return false;
    };
    let host = authority.host();
    let default_port = match scheme {
        "https" => 443,
        "http" if scheme::is_loopback(authority) => 80,
        _ => return false,
    };
    let port = match authority.port_u16() {
        Some(port) if port == default_port => return false,
        Some(port) => format!(":{port}"),
        None => String::new(),
    };
    is_host(host) && entry == format!("{scheme}://{host}{port}")
}

/// Whether a browser would write a host so
/// ([URL, section 3.5](https://url.spec.whatwg.org/#host-serializing)): in lower case, a name of other
/// scripts in Punycode, an address in its shortest form.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        return address
            .parse()
            .is_ok_and(|it: Ipv6Addr| it.to_string() == address);
    }
    let is_name = |label: &str| {
        let is_part = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        !label.is_empty() && label.bytes().all(is_part)
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let is_address = host.rsplit('.').next().is_some_and(is_number);
    host.split('.').all(is_name) && (!is_address || host.parse::<Ipv4Addr>().is_ok())
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
             in lower case and without a path or a slash at the end (http for loopback hosts only)",
            self.entry,
        )
    }
}

impl Error for EmbedOriginError {}

/// Which page a request comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Caller<'a> {
    /// A visitor, or a program: no script of another site.
    Direct,
    /// A script on a page that may show the count, of this origin.
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
        // In one line: an answer in payload 2.0 has room for one.
        let vary = headers.get(header::VARY).and_then(|it| it.to_str().ok());
        let vary = vary.map_or("Origin".to_owned(), |vary| format!("{vary}, Origin"));
        headers.insert(
            header::VARY,
            HeaderValue::try_from(vary).expect("names of headers are a header value"),
        );
    }
}

/// Whether a browser asks if a script may send its request
/// ([Fetch, CORS-preflight request](https://fetch.spec.whatwg.org/#cors-preflight-request)).
pub(crate) fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Permits a `GET` with any headers: the function reads what it knows, and ignores the rest.
pub(crate) fn permit(request: &HeaderMap, answer: &mut HeaderMap) {
    answer.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET"),
    );
    // Not `*`, which means a header of that name where cookies are sent along.
    if let Some(names) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS)
        && names.to_str().is_ok()
    {
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    // Seconds; two hours are the most that Chromium remembers it.
    answer.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("7200"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_exact_origins() {
        for entry in [
            "https://example.com",
            "https://blog.example.com:8443",
            "https://xn--bcher-kva.example",
            "https://a_b.example.com",
            "https://203.0.113.7",
            "https://[2001:db8::1]:8443",
            "http://localhost",
            "http://localhost:8080",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
        ] {
            assert_eq!(
                entry.parse(),
                Ok(EmbedOrigins(vec![entry.to_owned()])),
                "{entry}"
            );
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
    fn refuses_what_no_browser_sends_and_names_it() {
        for entry in [
            "*",
            "null",
            "example.com",
            "example.com:443",
            "//example.com",
            "https://",
            "https:example.com",
            "https://example.com/",
            "https://example.com/blog",
            "https://example.com?",
            "https://example.com#top",
            "https://example.com:443",
            "https://example.com:",
            "https://example.com:0443",
            "https://example.com:65536",
            "https://Example.com",
            "HTTPS://example.com",
            "https://bücher.example",
            "https://*.example.com",
            "https://user@example.com",
            "https://.example.com",
            "https://example..com",
            "https://example.com.",
            "https://203.0.113",
            "https://203.0.113.07",
            "https://[2001:db8:0::1]",
            "https://[::1",
            "https://exam\tple.com",
            "http://example.com",
            "http://localhost:80",
            "ftp://localhost",
            "file://",
        ] {
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
    fn one_exact_origin_of_the_list_is_listed() {
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
