//! The page as gzip, at almost no cost: what never changes was compressed when the program was built.
//!
//! A gzip member ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952)) may join compressed blocks with
//! stored ones ([RFC 1951, section 3.2.4](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.4)). So the
//! compressed start of the page comes from `build.rs`, the visit's own part follows as it is, and no
//! compressor is in the program.

use lambda_http::{
    Request, RequestExt,
    http::{HeaderMap, header},
    request::RequestContext,
};

/// `page.html` up to the end of its style, as DEFLATE blocks that end at a byte.
const HEAD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page_head.deflate"));

/// How many bytes of the page [`HEAD`] decompresses to.
const HEAD_LENGTH: usize = include_bytes!(concat!(env!("OUT_DIR"), "/page_head.html")).len();

/// The CRC-32 of those bytes.
const HEAD_CRC32: u32 = u32::from_le_bytes(*include_bytes!(concat!(
    env!("OUT_DIR"),
    "/page_head.crc32"
)));

/// DEFLATE, no options, no time, no particular compression, an unknown system
/// ([RFC 1952, section 2.3](https://www.rfc-editor.org/rfc/rfc1952#section-2.3)).
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A stored block, the last of its stream.
const LAST_STORED_BLOCK: u8 = 1;

/// Compresses a page of the template `page.html`.
///
/// # Panics
///
/// If what follows the page's unchanging start is longer than a stored block, 65,535 bytes.
pub(crate) fn gzip(page: &str) -> Vec<u8> {
    let (_, rest) = page.as_bytes().split_at(HEAD_LENGTH);
    let rest_length = u16::try_from(rest.len()).expect("a visit's own part is a few kilobytes");
    let mut crc32 = crc32fast::Hasher::new_with_initial_len(HEAD_CRC32, HEAD_LENGTH as u64);
    crc32.update(rest);
    let length = u32::try_from(page.len()).expect("a page is a few kilobytes");

    let mut gzip = Vec::with_capacity(GZIP_HEADER.len() + HEAD.len() + 5 + rest.len() + 8);
    gzip.extend_from_slice(&GZIP_HEADER);
    gzip.extend_from_slice(HEAD);
    gzip.push(LAST_STORED_BLOCK);
    gzip.extend_from_slice(&rest_length.to_le_bytes());
    gzip.extend_from_slice(&(!rest_length).to_le_bytes());
    gzip.extend_from_slice(rest);
    gzip.extend_from_slice(&crc32.finalize().to_le_bytes());
    gzip.extend_from_slice(&length.to_le_bytes());
    gzip
}

/// Whether the client and the front door take a compressed page.
///
/// A REST API does not: it passes a Base64 body on undecoded unless it is
/// [configured for binary media types](https://docs.aws.amazon.com/apigateway/latest/developerguide/lambda-proxy-binary-media.html).
/// All other front doors decode it.
pub(crate) fn is_accepted(request: &Request) -> bool {
    let decodes = !matches!(
        request.request_context_ref(),
        Some(RequestContext::ApiGatewayV1(_))
    );
    decodes && accepts_gzip(request.headers())
}

/// Whether `Accept-Encoding` admits gzip
/// ([RFC 9110, section 12.5.3](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3)). Without the
/// header the RFC would let a server choose, but whoever does not ask may not be able to decode.
//
// By hand, because the crates that parse this header are archived, or choose among codings that there
// are not here.
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

/// Whether a weight is a number from 0.001 to 1
/// ([RFC 9110, section 12.4.2](https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2)).
fn is_positive(weight: &str) -> bool {
    let weight = weight.trim();
    let Some(number) = weight.strip_prefix("q=").or(weight.strip_prefix("Q=")) else {
        return false;
    };
    // The syntax leaves out what else Rust reads as a number: signs, exponents, `NaN`, `.5`.
    number.len() <= "0.001".len()
        && number.starts_with(['0', '1'])
        && number.bytes().all(|it| it.is_ascii_digit() || it == b'.')
        && number.parse().is_ok_and(|it: f32| it > 0.0 && it <= 1.0)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use lambda_http::http::HeaderValue;

    use super::*;
    use crate::{CookieLifetime, count_cookie::Received, page};

    fn accepts(lines: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        accepts_gzip(&headers)
    }

    #[test]
    fn gzip_is_for_those_who_accept_it() {
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
    fn nobody_else_gets_it() {
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

    #[test]
    fn decompresses_to_the_same_page() {
        for received in [
            Received::Nothing,
            Received::Malformed,
            Received::Count(2.into()),
            Received::Count(u64::MAX.into()),
        ] {
            let page = page::visit(received, "count=1", CookieLifetime::default());
            let mut decompressed = String::new();
            GzDecoder::new(&gzip(&page)[..])
                .read_to_string(&mut decompressed)
                .unwrap();
            assert_eq!(decompressed, page);
        }
    }
}
