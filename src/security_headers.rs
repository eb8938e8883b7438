//! The security headers of every answer.

use lambda_http::http::{HeaderMap, HeaderValue};

/// Permits only the templates' own styles, by their hashes from `build.rs`, and the inline icon.
const CONTENT_SECURITY_POLICY: &str = concat!(
    "default-src 'none'; style-src 'sha256-",
    env!("PAGE_STYLE_SHA256"),
    "' 'sha256-",
    env!("NOTICE_STYLE_SHA256"),
    "'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

pub(crate) fn add(headers: &mut HeaderMap, https: bool) {
    for (name, value) in [
        // A stored page would show an old number, and the visit would not reach the function.
        ("cache-control", "no-store"),
        ("content-security-policy", CONTENT_SECURITY_POLICY),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        // With `no-referrer`, browsers would send `Origin: null` with the page's forms.
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if https {
        // One year: a browser that comes back within a year never asks over plain HTTP.
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert("strict-transport-security", year);
    }
}
