//! What is true of every request. `PROPTEST_CASES` sets how many are tried, and `make fuzz` tries any event.

use std::collections::BTreeMap;

use json_patch::merge;
use proptest::{collection, option, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    front_doors::{http_api_payload_1, sample},
    requests::{BLOG, parse},
};

/// Text in the fields of a request. If an answer repeats any part of it, escaped or not, it contains the letters.
const MARKER: &str = "zq7<\"'&>zq7";

/// A request as a visitor sends it to a front door.
#[derive(Clone, Debug)]
struct Request {
    method: String,
    path: String,
    query: String,
    /// One line of each header. HTTP does not permit some of them.
    headers: BTreeMap<String, String>,
}

/// For each front door, a sample event and what this request changes in it. Only the REST API's event has `other_query`.
fn differences(request: &Request, other_query: &str) -> [(&'static str, Value); 9] {
    let Request { method, path, query, headers } = request;
    let lists: BTreeMap<_, _> = headers.iter().map(|(name, value)| (name, [value])).collect();
    let (query, queries) = (json!({ (query): query }), json!({ (query): [query] }));
    let rest_api = json!({
        "httpMethod": method, "path": path, "requestContext": { "path": format!("/Prod{path}") },
        "queryStringParameters": { (other_query): other_query }, "headers": headers, "multiValueHeaders": lists,
    });
    let [http_api, http_api_stage] =
        [("$default", path.clone()), ("prod", format!("/prod{path}"))].map(|(stage, path)| {
            let mut event = json!({ "httpMethod": method, "headers": headers, "multiValueHeaders": lists });
            merge(&mut event, &http_api_payload_1(&path, stage));
            event
        });
    let alb = json!({ "httpMethod": method, "path": path, "queryStringParameters": query, "headers": headers });
    let alb_multi_value = json!({
        "httpMethod": method, "path": path, "multiValueQueryStringParameters": queries, "multiValueHeaders": lists,
    });
    let lattice = json!({ "method": method, "path": path, "queryStringParameters": queries, "headers": lists });
    let lattice_v1 =
        json!({ "method": method, "raw_path": path, "query_string_parameters": query, "headers": headers });
    [
        ("first_visit", payload_2(request, "$default", path)),
        ("http_api_first_visit", payload_2(request, "prod", &format!("/prod{path}"))),
        ("rest_api_first_visit", rest_api),
        ("rest_api_first_visit", http_api),
        ("rest_api_first_visit", http_api_stage),
        ("alb_first_visit", alb),
        ("alb_multi_value_first_visit", alb_multi_value),
        ("vpc_lattice_first_visit", lattice),
        ("vpc_lattice_v1_return_visit", lattice_v1),
    ]
}

fn payload_2(request: &Request, stage: &str, path: &str) -> Value {
    let mut headers = request.headers.clone();
    json!({
        "cookies": headers.remove("cookie").map(|line| line.split(';').map(str::to_owned).collect::<Vec<_>>()),
        "headers": headers,
        "rawPath": path,
        "rawQueryString": request.query,
        "requestContext": { "stage": stage, "http": { "method": request.method, "path": path } },
    })
}

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
        .prop_map(|headers| headers.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect());
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
        other_query: String,
        listed in option::of(Just("https://blog.example.com https://example.org")),
    ) {
        check_every_front_door(&request, &other_query, listed.unwrap_or_default());
    }
}

/// One of each kind of answer, which random requests do not reach in every run.
#[test]
fn every_front_door_gets_the_same_answer_of_each_kind() {
    for request in [
        "GET /\ncookie: count=2\naccept-encoding: gzip",
        "GET /\ncookie: count=2\nuser-agent: Googlebot/2.1",
        "GET /\ncookie: count=2\naccept: application/json",
        "HEAD /\naccept-encoding: gzip",
        "POST /",
        "GET /\nsec-purpose: prefetch",
        "GET /x",
        "POST /reset",
        "POST /forget",
        "GET /\ncookie: count=2\norigin: https://blog.example.com\nsec-fetch-site: cross-site",
        "OPTIONS /\norigin: https://blog.example.com\naccess-control-request-method: GET",
    ] {
        let (method, path, headers) = parse(request);
        let headers = headers.into_iter().map(|(name, lines)| (name.to_owned(), lines[0].to_owned())).collect();
        let (method, path) = (method.to_owned(), path.to_owned());
        check_every_front_door(&Request { method, path, query: String::new(), headers }, "", BLOG);
    }
}

#[track_caller]
fn check_every_front_door(request: &Request, other_query: &str, origins: &str) {
    let answers = differences(request, other_query).map(|(name, difference)| {
        let mut event = sample(name);
        // Remove all headers of the sample itself.
        merge(&mut event, &json!({ "headers": null, "multiValueHeaders": null, "cookies": null }));
        merge(&mut event, &difference);
        let mut answer = Answer::to(event.to_string().as_bytes(), origins).expect("an event from a front door");
        let is_compressed = answer.headers.remove("content-encoding").is_some();
        (answer, name, is_compressed)
    });
    let (expected, _, is_compressed) = &answers[0];
    for (answer, name, compressed) in &answers {
        assert_eq!(answer, expected, "{name}");
        assert_eq!(*compressed, *is_compressed && !name.contains("rest"), "{name}");
        let told = format!("{answer:?}");
        assert!(!told.contains("zq7"), "the request is in the answer: {told}");
    }
}
