//! The HTML: the page that shows the exchange, and the short notices.

use askama::Template;
use lambda_http::http::StatusCode;

use crate::{CookieLifetime, VisitCount, count_cookie::Received};

/// Renders the page of a counted visit.
///
/// `set_cookie` is the answer's own `Set-Cookie`. The parsed number is all that the page shows of the
/// request, whose bytes never reach the HTML.
pub(crate) fn visit(received: Received, set_cookie: &str, lifetime: CookieLifetime) -> String {
    let page = Page {
        received,
        count: received.next(),
        set_cookie: with_last_attribute_apart(set_cookie),
        lifetime,
    };
    page.render().expect("writing to a String does not fail")
}

/// Renders the short page of an answer that is not a visit; `home` leads to the page.
pub(crate) fn notice(status: StatusCode, text: &str, home: &str) -> String {
    let title = match status {
        StatusCode::NOT_FOUND => "Page not found",
        _ => "Not allowed",
    };
    render_notice(title, text, None, home)
}

/// Renders the short page that tells a visitor that the cookie is deleted; `set_cookie` is the
/// answer's own `Set-Cookie`.
pub(crate) fn forgotten(set_cookie: &str) -> String {
    let text =
        "Your browser deleted the cookie, because this answer set its lifetime to 0 seconds:";
    let set_cookie = Some(with_last_attribute_apart(set_cookie));
    render_notice("Cookie deleted", text, set_cookie, "./")
}

fn render_notice(title: &str, text: &str, set_cookie: Option<(&str, &str)>, home: &str) -> String {
    Notice {
        title,
        text,
        set_cookie,
        home,
    }
    .render()
    .expect("writing to a String does not fail")
}

/// Splits off `Max-Age`, because the templates keep a line from breaking at its hyphen.
fn with_last_attribute_apart(set_cookie: &str) -> (&str, &str) {
    set_cookie.rsplit_once(' ').unwrap_or((set_cookie, ""))
}

/// The styles beside the templates, minified by `build.rs`.
const PAGE_STYLE: &str = include_str!(concat!(env!("OUT_DIR"), "/page.css"));
const NOTICE_STYLE: &str = include_str!(concat!(env!("OUT_DIR"), "/notice.css"));

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    received: Received,
    count: VisitCount,
    set_cookie: (&'a str, &'a str),
    lifetime: CookieLifetime,
}

impl Page<'_> {
    /// The CSS class for a number that needs smaller type to fit on one line on a phone.
    fn length_class(&self) -> &'static str {
        match u64::from(self.count) {
            ..100_000 => "",
            100_000..10_000_000 => "long",
            10_000_000.. => "longest",
        }
    }
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    title: &'a str,
    text: &'a str,
    set_cookie: Option<(&'a str, &'a str)>,
    home: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_get_smaller_type() {
        for (sent, class) in [
            (99_998, ""),
            (99_999, "long"),
            (9_999_998, "long"),
            (9_999_999, "longest"),
        ] {
            let page = visit(Received::Count(sent.into()), "", CookieLifetime::default());
            assert!(
                page.contains(&format!("<header class=\"{class}\">")),
                "{sent}"
            );
        }
    }

    #[test]
    fn a_notice_says_whether_nothing_is_there_or_it_is_not_allowed() {
        for (status, title) in [
            (StatusCode::NOT_FOUND, "Page not found"),
            (StatusCode::FORBIDDEN, "Not allowed"),
            (StatusCode::METHOD_NOT_ALLOWED, "Not allowed"),
        ] {
            let notice = notice(status, "", "./");
            assert!(notice.contains(&format!("<h1>{title}</h1>")), "{status}");
        }
    }
}
