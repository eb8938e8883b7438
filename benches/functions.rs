//! What a visit's parts cost, by the number of other cookies that the browser sends along.
//!
//! The cost of reading grows with the length of the header, in proportion to it and in no other way: the
//! last column, bytes a second, levels off where the header is long. What a whole visit costs with the
//! platform around it is measured by `benches/process.rs`.

use divan::{Bencher, black_box, counter::BytesCount};
use lambda_http::{
    Body, Request, RequestExt,
    http::{HeaderMap, HeaderValue, header},
};
use page_visit_counter::{
    CookieLifetime, Settings,
    count_cookie::{self, Jar, Received},
    page, respond,
};

/// Other cookies, as analytics and consent banners set them.
const NEIGHBOURS: [usize; 4] = [0, 1, 10, 100];

fn main() {
    divan::main();
}

#[divan::bench(args = NEIGHBOURS)]
fn reading_the_cookie(bencher: Bencher, neighbours: usize) {
    let headers = headers(neighbours);
    bencher
        .counter(BytesCount::new(headers[header::COOKIE].len()))
        .bench(|| count_cookie::read(black_box(&headers)));
}

#[divan::bench]
fn rendering_the_page(bencher: Bencher) {
    let lifetime = CookieLifetime::default();
    let set_cookie = count_cookie::set(3.into(), lifetime, Jar::OwnSite { secure: true });
    let set_cookie = set_cookie.to_str().expect("the cookie is ASCII");
    let received = Received::Count(2.into());
    let render = || page::visit(black_box(received), set_cookie, lifetime);
    bencher
        .counter(BytesCount::new(render().len()))
        .bench(render);
}

#[divan::bench(args = NEIGHBOURS)]
fn responding(bencher: Bencher, neighbours: usize) {
    let mut request = Request::new(Body::Empty).with_raw_http_path("/");
    *request.headers_mut() = headers(neighbours);
    bencher
        .counter(BytesCount::new(request.headers()[header::COOKIE].len()))
        .bench(|| respond(black_box(&request), &Settings::default()));
}

/// A browser's headers, with the count after its neighbours.
fn headers(neighbours: usize) -> HeaderMap {
    let mut cookies: Vec<String> = (0..neighbours)
        .map(|number| format!("_neighbour_{number}=GA1.2.1234567890.1700000000"))
        .collect();
    cookies.push("count=2".to_owned());
    let cookies = HeaderValue::try_from(cookies.join("; ")).expect("a header value");
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    HeaderMap::from_iter([
        (header::COOKIE, cookies),
        (header::ACCEPT, HeaderValue::from_static(accept)),
        (
            header::HeaderName::from_static("x-forwarded-proto"),
            HeaderValue::from_static("https"),
        ),
    ])
}
