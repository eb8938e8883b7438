//! Which pages of other sites may show the count, and the headers that permit them.
//!
//! A script on such a page fetches the count, and the browser says in `Origin` which site the script is on
//! ([Fetch, section 3.2](https://fetch.spec.whatwg.org/#origin-header)). The browser lets the script read the
//! answer only if the answer names that origin
//! ([CORS protocol](https://fetch.spec.whatwg.org/#http-cors-protocol)).

use lambda_http::{
    Body, Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};

/// The request's `Origin`, if its pages may show the count.
pub(crate) fn listed_origin<'a>(headers: &'a HeaderMap, listed: &[String]) -> Option<&'a HeaderValue> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) if listed.iter().any(|own| origin == own) => Some(origin),
        _ => None,
    }
}

/// Lets a script on a listed origin read the answer, whatever it is.
pub(crate) fn add_headers(answer: &mut HeaderMap, origin: Option<&HeaderValue>, listed: &[String]) {
    if let Some(origin) = origin {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    if !listed.is_empty() {
        // One line, because payload 2.0 has room for only one.
        let vary = answer.get(header::VARY).map(HeaderValue::as_bytes);
        let vary = vary.map_or(b"Origin".to_vec(), |vary| [vary, b", Origin"].concat());
        let vary = HeaderValue::try_from(vary).expect("names of headers are a valid value");
        answer.insert(header::VARY, vary);
    }
}

/// Whether a browser asks whether a script may send its request
/// ([Fetch, CORS-preflight request](https://fetch.spec.whatwg.org/#cors-preflight-request)).
pub(crate) fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// More than any script needs. API Gateway fails where an answer has more than 10 KB of headers.
const MAX_NAMES_BYTES: usize = 1024;

/// Allows a `GET` with any headers, because the function ignores those that it does not know.
pub(crate) fn preflight(request: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    let answer = response.headers_mut();
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET"));
    // Not `*`: in a request with cookies, that means a header with the name `*`.
    if let Some(names) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS)
        && names.to_str().is_ok()
        && names.len() <= MAX_NAMES_BYTES
    {
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    // Seconds. Chromium keeps the answer for at most two hours.
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_exact_origin_from_the_list_is_listed() {
        let listed = ["https://a.example".to_owned(), "https://b.example:8443".to_owned()];
        for (lines, is_listed) in [
            (&[][..], false),
            (&["https://a.example"], true),
            (&["https://b.example:8443"], true),
            (&["https://b.example"], false),
            (&["https://a.example.org"], false),
            (&["http://a.example"], false),
            (&["HTTPS://A.EXAMPLE"], false),
            (&["null"], false),
            (&[""], false),
            (&["https://a.example", "https://a.example"], false),
        ] {
            let lines_of_origin = lines.iter().map(|line| (header::ORIGIN, HeaderValue::from_static(line)));
            let headers: HeaderMap = lines_of_origin.collect();
            let origin = is_listed.then(|| &headers[header::ORIGIN]);
            assert_eq!(listed_origin(&headers, &listed), origin, "{lines:?}");
        }
    }
}
