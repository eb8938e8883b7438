//! Compresses the page with gzip at almost no cost: what never changes is compressed when the program is built.
//!
//! A gzip member ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952)) may join compressed blocks and stored
//! ones ([RFC 1951, section 3.2.4](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.4)). `build.rs` compresses
//! the page's head and tail, which are the same at every visit. What is between them is stored as it is.

const HEAD: &str = include_str!(concat!(env!("OUT_DIR"), "/head.html"));
const TAIL: &str = include_str!(concat!(env!("OUT_DIR"), "/tail.html"));

// The same as DEFLATE blocks that end at a whole byte, none of them the last of the stream.
const DEFLATED_HEAD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/head.deflate"));
const DEFLATED_TAIL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tail.deflate"));

/// DEFLATE, no options, no time, no particular compression, an unknown system
/// ([RFC 1952, section 2.3](https://www.rfc-editor.org/rfc/rfc1952#section-2.3)).
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Compresses a page. One without this head or tail is stored as it is.
pub(crate) fn gzip(page: &str) -> Vec<u8> {
    let mut gzip = Vec::with_capacity(page.len());
    gzip.extend_from_slice(&GZIP_HEADER);
    let rest = page.strip_prefix(HEAD);
    if let Some(middle) = rest.and_then(|rest| rest.strip_suffix(TAIL)) {
        gzip.extend_from_slice(DEFLATED_HEAD);
        store(&mut gzip, middle);
        gzip.extend_from_slice(DEFLATED_TAIL);
    } else {
        store(&mut gzip, page);
    }
    // The last block is empty.
    gzip.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    gzip.extend_from_slice(&crc32fast::hash(page.as_bytes()).to_le_bytes());
    // The length modulo 2 to the power of 32.
    gzip.extend_from_slice(&page.len().to_le_bytes()[..4]);
    gzip
}

/// Adds a text in blocks that are stored as they are.
fn store(gzip: &mut Vec<u8>, text: &str) {
    for block in text.as_bytes().chunks(u16::MAX.into()) {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        gzip.push(0);
        gzip.extend_from_slice(&length.to_le_bytes());
        gzip.extend_from_slice(&(!length).to_le_bytes());
        gzip.extend_from_slice(block);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Settings,
        count_cookie::{self, Jar, Received},
        page,
    };

    fn decompress(gzip: &[u8]) -> String {
        let mut page = String::new();
        GzDecoder::new(gzip).read_to_string(&mut page).unwrap();
        page
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
        fn compresses_every_visit_to_less_than_half(
            received in received(),
            cookie_days in 0..=400_u16,
            secure: bool,
        ) {
            let settings = Settings { cookie_days, ..Settings::default() };
            let set_cookie = count_cookie::set(received.next(), &settings, Jar::OwnSite { secure });
            let page = page::visit(received, &set_cookie, cookie_days);
            let gzip = gzip(&page);
            prop_assert_eq!(decompress(&gzip), page.clone());
            prop_assert!(gzip.len() <= 4_750 && 2 * gzip.len() < page.len());
        }

        #[test]
        fn stores_any_other_page(page in "(?s).{0,300}") {
            prop_assert_eq!(decompress(&gzip(&page)), page);
        }
    }
}
