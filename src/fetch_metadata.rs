//! What a browser's headers say about the reason for a request.

use lambda_http::http::{HeaderMap, HeaderValue, header};

/// Whether the browser only prefetches, prerenders or previews the page, which the visitor may never open.
///
/// `Sec-Purpose` is the current header
/// ([Fetch, section 3.8](https://fetch.spec.whatwg.org/#sec-purpose-header)). Older browsers, link previews and
/// browsers inside apps send one of the others. Every prerender says `prefetch;prerender`.
pub(crate) fn is_speculative(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .into_iter()
        .flat_map(|name| headers.get_all(name))
        .map(|purpose| purpose.as_bytes().to_ascii_lowercase())
        .any(|purpose| contains(&purpose, b"prefetch") || contains(&purpose, b"preview"))
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// Whether the browser will not display the answer: it asks for an image, a script or a frame, or does not let the
/// requesting page read the answer ([Fetch Metadata](https://www.w3.org/TR/fetch-metadata/)). Older browsers and
/// programs do not send these headers.
pub(crate) fn is_unseen(headers: &HeaderMap) -> bool {
    let mut destinations = headers.get_all("sec-fetch-dest").iter();
    destinations.any(|destination| destination != "document" && destination != "empty")
        || says(headers, "sec-fetch-mode", "no-cors")
}

/// Whether the request comes from a script on a page of another site, and not from a visitor's click on a
/// link there.
pub(crate) fn is_cross_site_fetch(headers: &HeaderMap) -> bool {
    says(headers, "sec-fetch-site", "cross-site") && !says(headers, "sec-fetch-mode", "navigate")
}

/// Whether the request comes from another site, or from another host of this site.
///
/// A browser that does not send `Sec-Fetch-Site` (an old one, or any over plain HTTP) sends `Origin` with a
/// form, unless it is very old. `Origin` must then name the requested host. A client that sends neither is
/// taken for a program, which has no visitor's cookie to lose. Go's
/// [`CrossOriginProtection`](https://pkg.go.dev/net/http#CrossOriginProtection) has the same rules.
pub(crate) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter().peekable();
    if sites.peek().is_some() {
        return sites.any(|site| site != "same-origin" && site != "none");
    }
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    headers.get_all(header::ORIGIN).iter().any(|origin| {
        let origin = origin.as_bytes();
        let named = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
        named.is_none() || named != host
    })
}

/// Whether a script on a page of another origin makes the request, which its `Origin` shows.
pub(crate) fn is_cross_origin_fetch(headers: &HeaderMap) -> bool {
    let names_an_origin = headers.contains_key(header::ORIGIN);
    // A browser that says `none` does not send `Origin`.
    names_an_origin && (is_from_elsewhere(headers) || says(headers, "sec-fetch-site", "none"))
}

fn says(headers: &HeaderMap, name: &str, value: &str) -> bool {
    headers.get_all(name).iter().any(|line| line == value)
}

#[cfg(test)]
mod tests {
    use lambda_http::http::HeaderName;

    use super::*;

    fn request(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn a_prefetch_or_prerender_is_speculative() {
        for (name, value) in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("sec-purpose", "prefetch;anonymous-client-ip"),
            ("sec-purpose", "Prefetch"),
            ("purpose", "prefetch"),
            ("x-moz", "prefetch"),
        ] {
            assert!(is_speculative(&request(name, value)), "{name}: {value}");
        }
    }

    #[test]
    fn a_visit_is_not_speculative() {
        for (name, value) in
            [("sec-purpose", ""), ("purpose", "fetch"), ("x-moz", "livebookmarks"), ("sec-fetch-mode", "prefetch")]
        {
            assert!(!is_speculative(&request(name, value)), "{name}: {value}");
        }
        assert!(!is_speculative(&HeaderMap::new()));
    }

    #[test]
    fn without_sec_fetch_site_the_origin_must_name_the_host() {
        for (host, origin, elsewhere) in [
            ("example.com", "https://example.com", false),
            ("example.com", "http://example.com", false),
            ("example.com:8443", "https://example.com:8443", false),
            ("example.com", "https://evil.example", true),
            ("example.com", "https://example.com.evil.example", true),
            ("example.com", "https://example.com:8443", true),
            ("example.com", "https://example.com/", true),
            ("example.com", "example.com", true),
            ("example.com", "null", true),
            ("example.com", "", true),
        ] {
            let mut headers = request("origin", origin);
            headers.insert("host", HeaderValue::from_static(host));
            assert_eq!(is_from_elsewhere(&headers), elsewhere, "{host} {origin}");
            headers.append("origin", HeaderValue::from_static("https://evil.example"));
            assert!(is_from_elsewhere(&headers), "two origins");
            headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
            assert!(!is_from_elsewhere(&headers), "the browser has said");
        }
        assert!(is_from_elsewhere(&request("origin", "https://example.com")), "no host");
        assert!(!is_from_elsewhere(&request("host", "example.com")), "a program");
    }
}
