//! What is true of every request. `PROPTEST_CASES` sets how many are tried, and `make fuzz` tries any event.

use proptest::{collection, option, prelude::*, sample::select};

use crate::request::Request;

/// Text in the fields of a request. If an answer repeats any part of it, escaped or not, it contains the letters.
const MARKER: &str = "zq7<\"'&>zq7";

fn request() -> impl Strategy<Value = Request> {
    let method = prop_oneof![
        6 => Just("GET".to_owned()),
        3 => word(&["HEAD", "POST", "OPTIONS", "PUT", "get", "G(T", "é"]),
    ];
    let path = prop_oneof![
        6 => Just("/".to_owned()),
        3 => word(&["/reset", "/forget", "/favicon.ico", "/reset/", "//", "/é", "/%zz", "/\u{1}", "/$default/"]),
        1 => any::<String>().prop_map(|rest| format!("/{rest}")),
    ];
    // One line of each header, because front doors join several lines in different ways.
    let headers = collection::vec(header(), 0..8)
        .prop_map(|headers| headers.into_iter().map(|(name, value)| (name.to_lowercase(), vec![value])).collect());
    (method, path, text(), headers).prop_map(|(method, path, query, headers)| Request { method, path, query, headers })
}

fn header() -> impl Strategy<Value = (String, String)> {
    let named = |name: &str, values: &'static [&'static str]| {
        (Just(name.to_owned()), prop_oneof![6 => word(values), 1 => text()])
    };
    prop_oneof![
        named("cookie", &["count=2", "a=b; count=007; c", "count=abc", "count=\"7\"; count=3", "city=São; count=2"]),
        named("cookie", &["count=18446744073709551615", " count = 7 ", "Count=7", "a=\u{1}b; c", "\u{a0}count=7"]),
        named("accept", &["text/plain", "application/json;q=0.5, text/*", "*/*;q=0", "text/plain, , a/b", "a b/c"]),
        named("accept-encoding", &["gzip", "br, gzip;q=0.5", "gzip;q=0", "*", "identity"]),
        named("sec-fetch-site", &["same-origin", "none", "cross-site", "same-site"]),
        named("sec-fetch-mode", &["cors", "navigate", "no-cors"]),
        named("sec-fetch-dest", &["document", "empty", "image"]),
        named("sec-purpose", &["prefetch;prerender", "other"]),
        named("origin", &["https://blog.example.com", "https://example.org", "https://example.com", "null"]),
        named("host", &["example.com", "localhost:9000", "127.0.0.1", "1234567890.{dns}"]),
        named("x-forwarded-proto", &["https", "http", "HTTP", "h t t p"]),
        named("access-control-request-method", &["GET"]),
        named("user-agent", &[MARKER, "Googlebot/2.1"]),
        ("[a-zA-Z()é\u{1}]{0,5}".prop_map(|name| format!("x{name}")), text()),
        (any::<String>(), text()),
    ]
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(words).prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just(MARKER.to_owned()), any::<String>()]
}

proptest! {
    // A failure is kept as a test with a name instead.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_front_door_gets_the_same_answer_and_no_query_changes_it(
        request in request(),
        listed in option::of(Just("https://blog.example.com https://example.org")),
    ) {
        let told = format!("{:?}", request.answer(listed.unwrap_or_default()));
        assert!(!told.contains("zq7"), "the request is in the answer: {told}");
    }
}
