//! The HTML: the page that shows the exchange, and the short notices.

use std::cell::RefCell;

use askama::Template;
use flate2::{Compress, Compression, FlushCompress, Status};
use lambda_http::http::{HeaderValue, StatusCode};

use crate::{
    count_cookie::{NAME, Received},
    visit_count::VisitCount,
};

/// The page's address, relative to itself and to the buttons' addresses beside it.
pub(crate) const HOME: &str = "./";

/// Renders the page of a counted visit.
///
/// `set_cookie` is the answer's own `Set-Cookie`. The parsed number is all that the page shows of the
/// request, whose bytes never reach the HTML.
pub(crate) fn visit(received: Received, set_cookie: &HeaderValue, cookie_days: u16) -> String {
    let attributes = words(set_cookie).skip(1).collect();
    render(&Page { received, count: received.next(), attributes, cookie_days })
}

/// Renders the short page of an answer that is not a visit; `home` leads to the page.
pub(crate) fn notice(status: StatusCode, text: &str, home: &str) -> String {
    let title = if status == StatusCode::NOT_FOUND { "Page not found" } else { "Not allowed" };
    render(&Notice { title, text, set_cookie: None, home })
}

/// Renders the short page after the cookie's deletion; `set_cookie` is the answer's own `Set-Cookie`.
pub(crate) fn forgotten(set_cookie: &HeaderValue) -> String {
    render(&Notice {
        title: "The cookie should be gone",
        text: "This answer asked your browser to delete it, by setting its lifetime to 0 seconds:",
        set_cookie: Some(words(set_cookie).collect()),
        home: HOME,
    })
}

thread_local! {
    /// Used again for each page: its 300 KB, allocated anew for each, would scatter over the memory.
    static GZIP: RefCell<Compress> = RefCell::new(Compress::new_gzip(Compression::default(), 15));
}

/// Compresses a page with gzip.
pub(crate) fn gzip(page: &str) -> Vec<u8> {
    // Text shrinks, unless it is too short for what gzip adds to it.
    let mut gzip = Vec::with_capacity(page.len() + 64);
    let status = GZIP.with_borrow_mut(|compress| {
        compress.reset();
        compress.compress_vec(page.as_bytes(), &mut gzip, FlushCompress::Finish)
    });
    assert_eq!(status.ok(), Some(Status::StreamEnd), "the page fits");
    gzip
}

fn render(template: &impl Template) -> String {
    template.render().expect("writing to a String does not fail")
}

/// The cookie and each of its attributes, so that the templates can keep each of them on one line.
fn words(set_cookie: &HeaderValue) -> impl Iterator<Item = &str> {
    set_cookie.to_str().expect("the cookie is ASCII").split(' ')
}

/// The drawing and the styles beside the templates, as `build.rs` minifies them.
const COOKIE: &str = include_str!(concat!(env!("OUT_DIR"), "/cookie.uri"));
const PAGE_STYLE: &str = include_str!(concat!(env!("OUT_DIR"), "/page.css"));
const NOTICE_STYLE: &str = include_str!(concat!(env!("OUT_DIR"), "/notice.css"));

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    received: Received,
    count: VisitCount,
    attributes: Vec<&'a str>,
    cookie_days: u16,
}

impl Page<'_> {
    /// The CSS class for a number that needs smaller type to fit on one line on a phone.
    fn length_class(&self) -> &'static str {
        match self.count.get() {
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
    set_cookie: Option<Vec<&'a str>>,
    home: &'a str,
}

#[cfg(test)]
mod tests {
    use std::io;

    use flate2::read::GzDecoder;
    use proptest::{collection, prelude::*};

    use super::*;
    use crate::{
        Settings,
        count_cookie::{self, Jar},
    };

    proptest! {
        #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_page_survives_its_compression(
            letters in prop_oneof![collection::vec(any::<char>(), 0..20), collection::vec(any::<char>(), 0..20_000)],
            times in 1..9_usize,
        ) {
            let page = String::from_iter(letters).repeat(times);
            prop_assert_eq!(io::read_to_string(GzDecoder::new(&*gzip(&page))).unwrap(), page);
        }
    }

    /// Half as much again as the page needs today. What it sends is most of what a visit costs.
    const MAX_COMPRESSED_BYTES: usize = 6_200;

    #[test]
    fn the_page_is_small() {
        for received in [Received::Nothing, Received::Malformed, Received::Count(u64::MAX.into())] {
            let set_cookie = count_cookie::set(received.next(), &Settings::default(), Jar::OwnSite { secure: true });
            let bytes = gzip(&visit(received, &set_cookie, 400)).len();
            assert!(
                bytes <= MAX_COMPRESSED_BYTES,
                "The page has {bytes} bytes when it is compressed, and may have {MAX_COMPRESSED_BYTES}. Shorten \
                 src/page/page.html or page.css, or raise MAX_COMPRESSED_BYTES in src/page/mod.rs: \
                 docs/cost-and-scale.md says what bytes cost."
            );
        }
    }

    #[test]
    fn long_numbers_get_smaller_type() {
        for (sent, class) in [(99_998, ""), (99_999, "long"), (9_999_998, "long"), (9_999_999, "longest")] {
            let page = visit(Received::Count(sent.into()), &HeaderValue::from_static(""), 400);
            assert!(page.contains(&format!("<header class=\"{class}\">")), "{sent}");
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
