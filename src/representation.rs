//! The forms that an answer to a visit can take.

use headers_accept::Accept;
use lambda_http::http::{HeaderMap, HeaderValue, header};
use mediatype::{MediaType, names};

/// What `Accept` can choose from, the server's favourite first.
static MEDIA_TYPES: [MediaType<'static>; 3] = [
    MediaType::new(names::TEXT, names::HTML),
    MediaType::new(names::APPLICATION, names::JSON),
    MediaType::new(names::TEXT, names::PLAIN),
];

/// A form of the count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Representation {
    /// The page.
    Html,
    /// `{"count":3}`
    Json,
    /// `3` and a newline.
    Text,
}

impl Representation {
    /// The form that the client likes best, by `Accept`
    /// ([RFC 9110, section 12.5.1](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1)).
    ///
    /// HTML where the header is missing, malformed, undecided, or accepts none of the three: a page
    /// is of more use to a visitor than a 406.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Self {
        let mut lines = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .filter(|line| !line.trim().is_empty());
        let accept = match (lines.next(), lines.next()) {
            (None, _) => return Self::Html,
            // Browsers open with what is liked best already, and their lists are long to parse.
            (Some(line), None) if line.starts_with("text/html,") => return Self::Html,
            (Some(line), None) => line.parse::<Accept>(),
            // Several lines are one list (RFC 9110, section 5.3).
            (Some(first), Some(second)) => lines
                .fold([first, second].join(","), |list, line| list + "," + line)
                .parse(),
        };
        match accept
            .ok()
            .and_then(|accept| accept.negotiate(&MEDIA_TYPES))
        {
            Some(chosen) if chosen.subty == names::JSON => Self::Json,
            Some(chosen) if chosen.subty == names::PLAIN => Self::Text,
            _ => Self::Html,
        }
    }

    /// Its `Content-Type`.
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
        })
    }

    /// Its name in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiate(lines: &[&str]) -> Representation {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT, HeaderValue::from_str(line).unwrap());
        }
        Representation::negotiate(&headers)
    }

    #[test]
    fn gives_the_form_that_is_asked_for() {
        for (accept, form) in [
            ("text/html", Representation::Html),
            ("application/json", Representation::Json),
            ("text/plain", Representation::Text),
            ("APPLICATION/JSON", Representation::Json),
            ("application/json, text/plain, */*", Representation::Json),
            ("image/png, text/plain", Representation::Text),
            ("application/*", Representation::Json),
        ] {
            assert_eq!(negotiate(&[accept]), form, "{accept}");
        }
    }

    #[test]
    fn the_higher_quality_wins() {
        for (accept, form) in [
            ("text/html;q=0.5, application/json", Representation::Json),
            (
                "text/html;q=0.5, application/json;q=0.4",
                Representation::Html,
            ),
            (
                "text/html;q=0.001, text/plain;q=0.002",
                Representation::Text,
            ),
            (
                "text/html;q=0, application/json;q=0.1",
                Representation::Json,
            ),
            ("*/*;q=0.1, text/plain;q=0.2", Representation::Text),
            ("text/*, text/html;q=0", Representation::Text),
            ("*/*, text/html;q=0, text/plain;q=0", Representation::Json),
            ("*/*;q=0, application/json", Representation::Json),
        ] {
            assert_eq!(negotiate(&[accept]), form, "{accept}");
        }
    }

    #[test]
    fn several_accept_lines_are_one_list() {
        for (lines, form) in [
            (
                &["text/html;q=0.5", "application/json"][..],
                Representation::Json,
            ),
            (
                &["text/html;q=0.5", "text/plain;q=0.6", "application/json"],
                Representation::Json,
            ),
            (&["", "application/json"], Representation::Json),
        ] {
            assert_eq!(negotiate(lines), form, "{lines:?}");
        }
    }

    #[test]
    fn browsers_get_the_page() {
        for accept in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html, application/xhtml+xml, image/jxr, */*",
        ] {
            assert_eq!(negotiate(&[accept]), Representation::Html, "{accept}");
        }
    }

    #[test]
    fn html_where_accept_says_nothing_of_use() {
        for accept in [
            "*/*",
            "text/*",
            "",
            " ",
            ",",
            "nonsense",
            "text/html;q",
            ";;;",
            "/",
            "image/png",
            "application/json;q=0",
            "*/*;q=0",
            "\u{fc}",
            // headers-accept takes a media type with a parameter for another, and a list with an
            // element that is white space for malformed.
            "application/json;charset=utf-8",
            "text/plain, , application/json",
        ] {
            assert_eq!(negotiate(&[accept]), Representation::Html, "{accept:?}");
        }
        assert_eq!(negotiate(&[]), Representation::Html, "no header");
    }
}
