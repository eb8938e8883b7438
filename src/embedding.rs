//! Which pages of other sites may show the count, and the headers that permit them.
//!
//! A script on such a page fetches the count, and the browser says in `Origin` which site the script is on
//! ([Fetch, section 3.2](https://fetch.spec.whatwg.org/#origin-header)). The browser lets the script read the
//! answer only if the answer names that origin
//! ([CORS protocol](https://fetch.spec.whatwg.org/#http-cors-protocol)).

use lambda_http::http::{HeaderMap, HeaderValue, header};

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
    pub(crate) fn of(headers: &'a HeaderMap, listed: &[String]) -> Self {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Self::Direct,
            (Some(origin), None) if listed.iter().any(|own| origin == own) => Self::Listed(origin),
            _ => Self::Unlisted,
        }
    }

    pub(crate) fn is_listed(self) -> bool {
        matches!(self, Self::Listed(_))
    }
}

/// Lets a script of a listed origin read the answer, whatever it is.
pub(crate) fn add_headers(headers: &mut HeaderMap, caller: Caller<'_>, listed: &[String]) {
    if let Caller::Listed(origin) = caller {
        let credentials = HeaderValue::from_static("true");
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials);
    }
    if !listed.is_empty() {
        // One line, because payload 2.0 has room for only one.
        let vary = headers.get(header::VARY).map(HeaderValue::as_bytes);
        let vary = vary.map_or(b"Origin".to_vec(), |vary| [vary, b", Origin"].concat());
        let vary = HeaderValue::try_from(vary).expect("names of headers are a valid value");
        headers.insert(header::VARY, vary);
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
    let get = HeaderValue::from_static("GET");
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, get);
    // Not `*`: in a request with cookies, that means a header with the name `*`.
    if let Some(names) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS)
        && names.to_str().is_ok()
        && names.len() <= MAX_NAMES_BYTES
    {
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    // Seconds. Chromium keeps the answer for at most two hours.
    let two_hours = HeaderValue::from_static("7200");
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, two_hours);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_exact_origin_from_the_list_is_listed() {
        let listed = ["https://a.example".to_owned(), "https://b.example:8443".to_owned()];
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
