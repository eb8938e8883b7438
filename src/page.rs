//! The HTML: the page that shows the exchange, and the short notices.

use askama::{Template, filters::HtmlSafe};
use lambda_http::http::StatusCode;

use crate::{CookieLifetime, VisitCount, count_cookie::Received};

/// Renders the page of a counted visit.
///
/// `set_cookie` is the answer's own `Set-Cookie`. Of the request only the parsed number is shown:
/// its bytes never reach the HTML.
#[must_use]
#[expect(
    clippy::missing_panics_doc,
    reason = "writing to a String does not fail"
)]
pub fn visit(received: Received, set_cookie: &str, lifetime: CookieLifetime) -> String {
    let page = Page {
        received,
        count: received.next(),
        set_cookie: set_cookie.rsplit_once(' ').unwrap_or((set_cookie, "")),
        lifetime,
    };
    page.render().expect("writing to a String does not fail")
}

/// Renders the short page of an answer that is not a visit; `home` leads to the page.
#[must_use]
#[expect(
    clippy::missing_panics_doc,
    reason = "writing to a String does not fail"
)]
pub fn notice(status: StatusCode, text: &str, home: &str) -> String {
    let title = match status {
        StatusCode::NOT_FOUND => "Page not found",
        _ => "Nothing happened",
    };
    Notice { title, text, home }
        .render()
        .expect("writing to a String does not fail")
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    received: Received,
    count: VisitCount,
    /// Its last attribute apart: `Max-Age` must not break at its hyphen.
    set_cookie: (&'a str, &'a str),
    lifetime: CookieLifetime,
}

impl Page<'_> {
    /// The style's name for a number that needs smaller type to stay on one line of a phone.
    fn length_class(&self) -> &'static str {
        match u64::from(self.count) {
            ..100_000 => "",
            100_000..10_000_000 => "long",
            10_000_000.. => "longest",
        }
    }
}

/// Digits have nothing to escape, and the page shows them eight times.
impl HtmlSafe for VisitCount {}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    title: &'a str,
    text: &'a str,
    home: &'a str,
}
