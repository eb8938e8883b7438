//! What a client prefers: the representation of the count, and whether it may be compressed
//! ([RFC 9110, section 12](https://www.rfc-editor.org/rfc/rfc9110#section-12)).

use std::cmp::Reverse;

use lambda_http::http::{HeaderMap, HeaderName, HeaderValue, header};

/// A representation of the count.
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
    /// The representation that the client prefers, according to `Accept`
    /// ([RFC 9110, section 12.5.1](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1)).
    ///
    /// HTML if the header is missing, prefers none of them, or accepts none: a page is more use to a visitor than a 406.
    pub(crate) fn preferred(headers: &HeaderMap) -> Self {
        let ranges: Vec<_> = weighted_elements(headers, header::ACCEPT).collect();
        let preference = |own: Self| -> Option<(u16, usize, Reverse<usize>)> {
            let matching = ranges.iter().enumerate();
            let matching = matching
                .filter_map(|(position, (range, weight))| Some((own.specificity(range)?, *weight, Reverse(position))));
            // Only the most specific range sets the weight.
            let (specificity, weight, position) = matching.max()?;
            (weight > 0).then_some((weight, specificity, position))
        };
        // Of equals, `max_by_key` returns the last: HTML, if the client accepts none.
        let all = [Self::Text, Self::Json, Self::Html].into_iter();
        all.max_by_key(|own| preference(*own)).unwrap_or(Self::Html)
    }

    /// How exactly a media range names this representation, if it does.
    fn specificity(self, range: &str) -> Option<usize> {
        let ranges = match self {
            Self::Html => ["*/*", "text/*", "text/html"],
            Self::Json => ["*/*", "application/*", "application/json"],
            Self::Text => ["*/*", "text/*", "text/plain"],
        };
        ranges.iter().position(|own| range.eq_ignore_ascii_case(own))
    }

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

/// Whether `Accept-Encoding` accepts gzip
/// ([RFC 9110, section 12.5.3](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3)). Without the header, the
/// RFC would allow gzip, but a client that does not send it may not be able to decode gzip.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let (mut named, mut any) = (None, None);
    for (coding, weight) in weighted_elements(headers, header::ACCEPT_ENCODING) {
        if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            named = Some(weight);
        } else if coding == "*" {
            any = Some(weight);
        }
    }
    named.or(any).is_some_and(|weight| weight > 0)
}

/// The greatest weight (`q=`), in thousandths. An element without a weight has this one.
const MAX_WEIGHT: u16 = 1000;

/// The elements of a list in a header, without their parameters, each with its weight. Several lines are one list
/// ([RFC 9110, section 5.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.3)). A malformed element is dropped.
//
// No crate fits: headers-accept rejects a list for an empty element, mediatype an element for an empty parameter,
// and those that parse Accept-Encoding are archived or choose among codings that are not offered here.
fn weighted_elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = (&str, u16)> {
    let lines = headers.get_all(name).into_iter();
    let elements = lines.flat_map(|line| split(line.as_bytes(), b','));
    elements.filter_map(|element| {
        let mut parts = split(element, b';').map(|part| str::from_utf8(part.trim_ascii()));
        let name = parts.next()?.ok()?;
        let mut weight = None;
        for parameter in parts {
            match parameter.ok()?.split_once('=') {
                Some(("q" | "Q", value)) if weight.is_none() => weight = Some(parse_qvalue(value)?),
                // HeaderName checks what is true of a parameter's name too: it is a token.
                Some((name, _)) if !matches!(name, "q" | "Q") && name.parse::<HeaderName>().is_ok() => {}
                None if parameter.ok()?.is_empty() => {}
                _ => return None,
            }
        }
        Some((name, weight.unwrap_or(MAX_WEIGHT)))
    })
}

/// Splits a text where the separator is not in a quoted string, in which a backslash escapes the next character
/// ([RFC 9110, section 5.6.4](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.4)).
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |byte| {
        is_quoted ^= *byte == b'"' && !is_escaped;
        is_escaped = is_quoted && *byte == b'\\' && !is_escaped;
        *byte == separator && !is_quoted
    })
}

/// Reads a qvalue: a weight from 0 to 1 with at most three decimals
/// ([RFC 9110, section 12.4.2](https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2)).
fn parse_qvalue(weight: &str) -> Option<u16> {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    let is_decimal = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    if !is_decimal || !matches!(whole, "0" | "1") {
        return None;
    }
    let weight = format!("{whole}{decimals:0<3}").parse().ok()?;
    (weight <= MAX_WEIGHT).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiate(lines: &[&str]) -> Representation {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT, HeaderValue::from_str(line).unwrap());
        }
        Representation::preferred(&headers)
    }

    #[test]
    fn returns_the_representation_that_is_asked_for() {
        for (accept, expected) in [
            ("text/html", Representation::Html),
            ("application/json", Representation::Json),
            ("text/plain", Representation::Text),
            ("APPLICATION/JSON", Representation::Json),
            ("application/json, text/plain, */*", Representation::Json),
            ("image/png, text/plain", Representation::Text),
            ("application/*", Representation::Json),
            ("application/json;charset=utf-8", Representation::Json),
            ("text/plain; a=\"b, c\", application/json;q=0.9", Representation::Text),
            ("text/plain;q=0.5;a=\", application/json,\"", Representation::Text),
            ("image/png;a=\"b\", text/plain", Representation::Text),
            ("image/png;a=\"\\\"\", text/plain", Representation::Text),
            ("image/png;a=\"\\\", text/plain, \", application/json", Representation::Json),
            ("image/png;a=\"\\\\\", text/plain", Representation::Text),
            ("image/png;a=\\\", text/plain, \"", Representation::Html),
            ("text/plain, , application/json", Representation::Text),
            (",text/plain,", Representation::Text),
            ("*/*, text/plain", Representation::Text),
            ("application/json;;charset=utf-8", Representation::Json),
            ("application/json; ;q=0.5", Representation::Json),
            ("application/json;", Representation::Json),
            // Only a malformed element is dropped.
            ("application/json, a/b|c", Representation::Json),
            ("application/json, nonsense", Representation::Json),
            ("text/plain;q=2, application/json;q=0.1", Representation::Json),
            ("text/plain;q=0.5;q=1, application/json;q=0.1", Representation::Json),
            ("\u{fc}, application/json", Representation::Json),
            ("text/plain;a=\u{fc}, application/json;q=0.1", Representation::Text),
        ] {
            assert_eq!(negotiate(&[accept]), expected, "{accept}");
        }
    }

    #[test]
    fn the_higher_quality_wins() {
        for (accept, expected) in [
            ("text/html;q=0.5, application/json", Representation::Json),
            ("text/html;q=0.5, application/json;q=0.4", Representation::Html),
            ("text/html;q=0.001, text/plain;q=0.002", Representation::Text),
            ("text/html;q=0, application/json;q=0.1", Representation::Json),
            ("*/*;q=0.1, text/plain;q=0.2", Representation::Text),
            ("text/*, text/html;q=0", Representation::Text),
            ("*/*, text/html;q=0, text/plain;q=0", Representation::Json),
            ("*/*;q=0, application/json", Representation::Json),
        ] {
            assert_eq!(negotiate(&[accept]), expected, "{accept}");
        }
    }

    #[test]
    fn several_accept_lines_are_one_list() {
        for (lines, expected) in [
            (&["text/html;q=0.5", "application/json"][..], Representation::Json),
            (&["text/html;q=0.5", "text/plain;q=0.6", "application/json"], Representation::Json),
            (&["", "application/json"], Representation::Json),
        ] {
            assert_eq!(negotiate(lines), expected, "{lines:?}");
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
            "application/json;charset",
            "application/json;=utf-8",
            "application/json;q =1",
            "application/json;q=2",
            "application/json;q=0.5;q=x",
        ] {
            assert_eq!(negotiate(&[accept]), Representation::Html, "{accept:?}");
        }
        assert_eq!(negotiate(&[]), Representation::Html, "no header");
    }

    fn accepts(lines: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        accepts_gzip(&headers)
    }

    #[test]
    fn gzip_is_for_clients_that_accept_it() {
        for lines in [
            &["gzip"][..],
            &["GZIP"],
            &["x-gzip"],
            &["gzip, deflate, br, zstd"],
            &["br;q=1.0, gzip;q=0.8, *;q=0.1"],
            &["gzip;q=0.001"],
            &["gzip ; q=1.000"],
            &["gzip;Q=0.5"],
            &["*"],
            &["identity;q=0, *;q=0.5"],
            &["deflate", "gzip"],
            &["gzip, *;q=0"],
            &["*;q=0, gzip"],
            &["gzip;level=9"],
            &["br;q=2, gzip"],
        ] {
            assert!(accepts(lines), "{lines:?}");
        }
    }

    #[test]
    fn other_clients_do_not_get_gzip() {
        for lines in [
            &[][..],
            &[""],
            &["identity"],
            &["br"],
            &["deflate, br"],
            &["gzip;q=0"],
            &["gzip;q=0.000"],
            &["*, gzip;q=0"],
            &["gzip;q=0, *"],
            &["*;q=0"],
            &["gzip;q=nonsense"],
            &["gzip;q=NaN"],
            &["gzip;q=2"],
            &["gzip;q=1.001"],
            &["gzip;q=0.0001"],
            &["gzip;q=.5"],
            &["gzip;q=1e-1"],
            &["gzip;q=0.5;q=1"],
            &["gzip;q=-1"],
            &["gzipped"],
            &["not-gzip"],
        ] {
            assert!(!accepts(lines), "{lines:?}");
        }
    }

    #[test]
    fn accepts_0_to_1_in_thousandths_and_nothing_else() {
        for (text, weight) in
            [("0", 0), ("0.", 0), ("0.001", 1), ("0.5", 500), ("0.25", 250), ("1", 1000), ("1.000", 1000)]
        {
            assert_eq!(parse_qvalue(text), Some(weight), "{text:?}");
        }
        for text in [
            "", ".5", "00", "01", "1.001", "1.1", "2", "0.0001", "1.0000", "-1", "+1", "1e-1", "NaN", "0.5;q=1",
            "\"1\"", " 1", "0.+1", "٣",
        ] {
            assert_eq!(parse_qvalue(text), None, "{text:?}");
        }
    }
}
