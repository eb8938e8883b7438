//! Compresses the page with gzip at almost no cost, because the pieces of the page that never change are
//! compressed at build time.
//!
//! A gzip member ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952)) may join compressed blocks and stored
//! ones ([RFC 1951, section 3.2.4](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.4)). `build.rs`
//! compresses the long pieces that never change. The parts that differ between visits are stored between
//! them uncompressed, so the program needs no compressor.

use lambda_http::{
    Request, RequestExt,
    http::{HeaderMap, header},
    request::RequestContext,
};

use crate::weight;

/// A piece of `page.html` between two of its control tags.
struct Piece {
    text: &'static str,
    /// The text as DEFLATE blocks that end at a byte, none of them the last of its stream.
    deflate: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/page_pieces.rs"));

/// DEFLATE, no options, no time, no particular compression, an unknown system
/// ([RFC 1952, section 2.3](https://www.rfc-editor.org/rfc/rfc1952#section-2.3)).
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Compresses a page that was rendered from `page.html`, whichever pieces it contains.
pub(crate) fn gzip(page: &str) -> Vec<u8> {
    let mut gzip = Vec::with_capacity(page.len());
    gzip.extend_from_slice(&GZIP_HEADER);
    let mut rest = page;
    for piece in PIECES {
        // To search for its first bytes is faster than for all of it. If they occur elsewhere, one piece is
        // stored uncompressed.
        let start = &piece.text[..PIECE_START_LENGTH];
        if let Some(at) = rest.find(start)
            && let Some(after) = rest[at..].strip_prefix(piece.text)
        {
            store(&mut gzip, &rest[..at], false);
            gzip.extend_from_slice(piece.deflate);
            rest = after;
        }
    }
    store(&mut gzip, rest, true);
    let length = u32::try_from(page.len()).expect("a page is a few kilobytes");
    gzip.extend_from_slice(&crc32fast::hash(page.as_bytes()).to_le_bytes());
    gzip.extend_from_slice(&length.to_le_bytes());
    gzip
}

/// Adds a text as a block that is stored as it is.
fn store(gzip: &mut Vec<u8>, text: &str, is_last: bool) {
    let length = u16::try_from(text.len()).expect("a visit's own part is a few kilobytes");
    gzip.push(is_last.into());
    gzip.extend_from_slice(&length.to_le_bytes());
    gzip.extend_from_slice(&(!length).to_le_bytes());
    gzip.extend_from_slice(text.as_bytes());
}

/// Whether both the client and the front door support a compressed page.
///
/// A REST API does not: it does not decode a Base64 body unless it is
/// [configured for binary media types](https://docs.aws.amazon.com/apigateway/latest/developerguide/lambda-proxy-binary-media.html).
/// All other front doors do.
pub(crate) fn is_accepted(request: &Request) -> bool {
    let decodes = !matches!(
        request.request_context_ref(),
        Some(RequestContext::ApiGatewayV1(_))
    );
    decodes && accepts_gzip(request.headers())
}

/// Whether `Accept-Encoding` accepts gzip
/// ([RFC 9110, section 12.5.3](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3)). Without the
/// header, the RFC would permit gzip, but a client that does not send it may not be able to decode gzip.
//
// No crate fits: those that parse this header are archived, or choose among codings that are not offered here.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut named = None;
    let mut any = None;
    for line in headers.get_all(header::ACCEPT_ENCODING) {
        for element in line.to_str().unwrap_or_default().split(',') {
            let (coding, weight) = element.split_once(';').unwrap_or((element, "q=1"));
            let coding = coding.trim();
            if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
                named = Some(is_positive(weight));
            } else if coding == "*" {
                any = Some(is_positive(weight));
            }
        }
    }
    named.or(any).unwrap_or(false)
}

/// Whether a weight such as `q=0.5` is above 0.
fn is_positive(weight: &str) -> bool {
    let weight = weight.trim();
    let weight = weight.strip_prefix("q=").or(weight.strip_prefix("Q="));
    weight.and_then(weight::parse).is_some_and(|it| it > 0)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use lambda_http::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        CookieLifetime,
        count_cookie::{self, Jar, Received},
        page,
    };

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
            &["gzip;level=9"],
            &["gzipped"],
            &["not-gzip"],
        ] {
            assert!(!accepts(lines), "{lines:?}");
        }
    }

    fn received() -> impl Strategy<Value = Received> {
        prop_oneof![
            Just(Received::Nothing),
            Just(Received::Malformed),
            Just(Received::Count(u64::MAX.into())),
            (0..1_000_u64).prop_map(|count| Received::Count(count.into())),
            any::<u64>().prop_map(|count| Received::Count(count.into())),
        ]
    }

    proptest! {
        #[test]
        fn compresses_to_less_than_half_and_decompresses_to_the_same_page(
            received in received(),
            days in 0..=CookieLifetime::MAX_DAYS,
            secure: bool,
        ) {
            let lifetime = CookieLifetime::from_days(days).unwrap();
            let set_cookie = count_cookie::set(received.next(), lifetime, Jar::OwnSite { secure });
            let page = page::visit(received, set_cookie.to_str().unwrap(), lifetime);
            let gzip = gzip(&page);
            let mut decompressed = String::new();
            GzDecoder::new(&gzip[..]).read_to_string(&mut decompressed).unwrap();
            prop_assert_eq!(&decompressed, &page);
            prop_assert!(gzip.len() <= 4_500 && 2 * gzip.len() < page.len());
        }
    }

    #[test]
    fn each_piece_is_found_in_a_page() {
        let page = page::visit(Received::Nothing, "", CookieLifetime::default());
        assert!(PIECES.len() > 1);
        for piece in PIECES {
            assert!(page.contains(piece.text), "{}", piece.text);
        }
    }
}
