//! The forms of an answer to a visit: HTML, JSON or text.

use std::cmp::Reverse;

use lambda_http::http::{HeaderMap, HeaderValue, header};
use mediatype::{
    MediaType, Name, ReadParams,
    names::{_STAR, APPLICATION, HTML, JSON, PLAIN, Q, TEXT},
};

use crate::weight::{self, Weight};

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
    /// The server prefers them in this order.
    const ALL: [Self; 3] = [Self::Html, Self::Json, Self::Text];

    /// The form that the client prefers, according to `Accept`
    /// ([RFC 9110, section 12.5.1](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1)).
    ///
    /// HTML if the header is missing or malformed, prefers no form, or accepts none of the three: a page is
    /// more use to a visitor than a 406.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT).iter();
        let lines = lines.filter_map(|line| line.to_str().ok());
        let mut lines = lines.peekable();
        match lines.peek() {
            None => Self::Html,
            // Browsers list the form that they prefer first. To read the rest of their long lists would cost a
            // twentieth of the instructions of a visit.
            Some(line) if line.starts_with("text/html,") => Self::Html,
            // Several lines are one list (RFC 9110, section 5.3).
            Some(_) => Self::preferred(&lines.collect::<Vec<_>>().join(",")).unwrap_or(Self::Html),
        }
    }

    // Not the crate headers-accept, which rejects empty elements (RFC 9110, section 5.6.1.2) and does not
    // match a form by a media range that has a parameter.
    fn preferred(list: &str) -> Option<Self> {
        let mut is_quoted = false;
        let ranges = list
            .split(|character| {
                is_quoted ^= character == '"';
                character == ',' && !is_quoted
            })
            .map(str::trim_ascii)
            .filter(|element| !element.is_empty())
            .map(|element| {
                let range = MediaType::parse(element).ok()?;
                let weight = match range.get_param(Q) {
                    Some(weight) => weight::parse(weight.as_str())?,
                    None => weight::MAX,
                };
                Some((range.ty, range.subty, weight))
            })
            .collect::<Option<Vec<_>>>()?;
        let best = |form: &Self| -> Option<(Weight, u8, Reverse<usize>)> {
            let ranges = ranges.iter().enumerate();
            let matching = ranges.filter_map(|(position, &(ty, subty, weight))| {
                Some((form.specificity(ty, subty)?, weight, Reverse(position)))
            });
            // Only the most specific range sets a form's weight.
            let (specificity, weight, position) = matching.max()?;
            (weight > 0).then_some((weight, specificity, position))
        };
        let liked = Self::ALL
            .iter()
            .filter_map(|form| Some((best(form)?, *form)));
        // Of several equal forms, `max_by_key` returns the last, which after `rev` is the server's favourite.
        let (_, form) = liked.rev().max_by_key(|(liking, _)| *liking)?;
        Some(form)
    }

    /// How exactly a media range names this form, if it does.
    fn specificity(self, ty: Name<'_>, subty: Name<'_>) -> Option<u8> {
        let name = match self {
            Self::Html => (TEXT, HTML),
            Self::Json => (APPLICATION, JSON),
            Self::Text => (TEXT, PLAIN),
        };
        if (ty, subty) == name {
            Some(2)
        } else if (ty, subty) == (name.0, _STAR) {
            Some(1)
        } else if (ty, subty) == (_STAR, _STAR) {
            Some(0)
        } else {
            None
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
    fn returns_the_form_that_is_asked_for() {
        for (accept, form) in [
            ("text/html", Representation::Html),
            ("application/json", Representation::Json),
            ("text/plain", Representation::Text),
            ("APPLICATION/JSON", Representation::Json),
            ("application/json, text/plain, */*", Representation::Json),
            ("image/png, text/plain", Representation::Text),
            ("application/*", Representation::Json),
            ("application/json;charset=utf-8", Representation::Json),
            (
                "text/plain; a=\"b, c\", application/json;q=0.9",
                Representation::Text,
            ),
            ("text/plain, , application/json", Representation::Text),
            (",text/plain,", Representation::Text),
            ("*/*, text/plain", Representation::Text),
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
    fn html_if_accept_says_nothing_useful() {
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
            "application/json, nonsense",
            "application/json;q=2",
            "application/json;q=0.5;q=x",
        ] {
            assert_eq!(negotiate(&[accept]), Representation::Html, "{accept:?}");
        }
        assert_eq!(negotiate(&[]), Representation::Html, "no header");
    }
}
