//! The security headers of every answer.

use lambda_http::http::{HeaderMap, HeaderValue, header};

/// Permits only the templates' own styles, by their hashes from `build.rs`, and the inline icon.
const CONTENT_SECURITY_POLICY: &str = concat!(
    "default-src 'none'; style-src 'sha256-",
    env!("PAGE_STYLE_SHA256"),
    "' 'sha256-",
    env!("NOTICE_STYLE_SHA256"),
    "'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// One year: a browser that comes back within a year never asks over plain HTTP.
const STRICT_TRANSPORT_SECURITY: &str = "max-age=31536000";

/// Adds the headers to an answer.
pub(crate) fn add(headers: &mut HeaderMap, https: bool) {
    for (name, value) in [
        // A stored page would show an old number, and the visit would not reach the function.
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With `no-referrer`, browsers would send `Origin: null` with the page's forms.
        (header::REFERRER_POLICY, "same-origin"),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if https {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static(STRICT_TRANSPORT_SECURITY),
        );
    }
}
