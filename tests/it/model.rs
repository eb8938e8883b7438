//! Whole requests, held against a naive model of what the counter promises.
//!
//! A request of any method, path, query and headers enters by every kind of front door as the raw JSON
//! of an event, or as an `http::Request`, whose headers may be bytes that no JSON carries. What comes
//! out must be what `contract` says, in every header and, for a page, in all that the number decides.
//!
//! `PROPTEST_CASES` sets how many requests each property tries.

use std::{collections::BTreeMap, env};

use base64::{Engine, prelude::BASE64_STANDARD};
use lambda_http::{
    Body as HttpBody, RequestExt,
    http::{self, HeaderName, HeaderValue, header},
};
use page_visit_counter::{Settings, respond};
use proptest::{prelude::*, test_runner::TestCaseResult};
use sha2::{Digest, Sha256};

mod contract;
mod request;

use crate::support::invariants::{Answer, decompress, parse};
use contract::{Arrival, Body, Promise, promise};
use request::{FrontDoor, LISTED, MARKER_LETTERS, Request, front_door};

/// A few seconds of a debug build.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        // What is found becomes a test with a name.
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    };
    if env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 500;
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_event_is_answered_as_the_contract_says(
        request in request::request(),
        front_door in front_door(),
        listed in listed(),
    ) {
        check_event(&front_door, &request, listed)?;
    }

    #[test]
    fn every_request_is_answered_as_the_contract_says(
        request in request::request(),
        listed in listed(),
    ) {
        check_request(&request, listed)?;
    }
}

/// No origin, or some.
fn listed() -> impl Strategy<Value = &'static [&'static str]> {
    prop_oneof![Just(&[][..]), Just(LISTED)]
}

fn settings(listed: &[&str]) -> Settings {
    Settings {
        embed_origins: listed.join(" ").parse().expect("origins"),
        ..Settings::default()
    }
}

/// A request of which only this is said.
fn request_for(method: &str, path: &str, headers: &[(&'static str, &[u8])]) -> Request {
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: String::new(),
        headers: headers
            .iter()
            .map(|(name, value)| (*name, value.to_vec()))
            .collect(),
    }
}

// What the properties and the fuzzer found.

#[test]
fn an_address_that_no_url_can_have_is_a_visit() {
    for method in ["GET", "HEAD"] {
        for scheme in [&b"https"[..], b"http", b"h t t p"] {
            for query in ["", "q=\"a b\"", "%zz", "\u{0}"] {
                let headers = [
                    ("host", &b"1234567890.{dns}"[..]),
                    ("x-forwarded-proto", scheme),
                ];
                let mut request = request_for(method, "/", &headers);
                query.clone_into(&mut request.query);
                for front_door in FrontDoor::one_of_each() {
                    check_event(&front_door, &request, &[]).expect("as the contract says");
                }
            }
        }
    }
}

#[test]
fn the_default_stage_is_not_a_folder() {
    for path in ["/$default", "/$default/", "/$default/reset"] {
        for method in ["GET", "HEAD", "POST"] {
            let request = request_for(method, path, &[]);
            for front_door in FrontDoor::one_of_each() {
                check_event(&front_door, &request, &[]).expect("as the contract says");
            }
        }
    }
}

#[test]
fn a_stage_that_a_custom_domain_hides_is_in_no_path() {
    for (method, path) in [
        ("POST", "/reset"),
        ("GET", "/reset"),
        ("GET", "/reset/"),
        ("GET", "/"),
    ] {
        let front_door = FrontDoor::RestApiDomain("reset");
        check_event(&front_door, &request_for(method, path, &[]), &[])
            .expect("as the contract says");
    }
}

#[test]
fn a_count_that_is_not_utf_8_is_replaced() {
    for cookies in [&b"count=\xff"[..], b"count=7\xa0", b"count=\"\xff\""] {
        check_request(&request_for("GET", "/", &[("cookie", cookies)]), &[])
            .expect("as the contract says");
    }
}

#[test]
fn a_cookie_that_is_not_a_header_value_is_left_out_alone() {
    let front_door = FrontDoor::one_of_each()[0].clone();
    let (mut event, _) = front_door.deliver(&request_for("GET", "/", &[]), &[]);
    event["cookies"] = serde_json::json!(["a=\u{1}", "count=2", "b=\n"]);
    let payload = parse(event.to_string().as_bytes()).expect("an event of a front door");
    let answer = Answer::to(payload, Settings::default());
    assert!(answer.set_cookie[0].starts_with("count=3;"), "{answer:?}");
}

#[test]
fn white_space_of_other_scripts_is_part_of_a_name() {
    for cookies in [
        "\u{a0}count=7",
        "count\u{3000}=7",
        "count=7\u{2003}",
        "\u{85}count\u{85}=7",
    ] {
        let request = request_for("GET", "/", &[("cookie", cookies.as_bytes())]);
        check_request(&request, &[]).expect("as the contract says");
    }
}

#[test]
fn an_empty_accept_line_says_nothing() {
    let request = request_for(
        "GET",
        "/",
        &[("accept", b""), ("accept", b"application/json")],
    );
    check_request(&request, &[]).expect("as the contract says");
}

fn check_event(
    front_door: &FrontDoor,
    request: &Request,
    listed: &'static [&'static str],
) -> TestCaseResult {
    let (event, arrival) = front_door.deliver(request, listed);
    let payload = parse(event.to_string().as_bytes()).expect("an event of a front door");
    check(&Answer::to(payload, settings(listed)), &promise(&arrival))
}

fn check_request(request: &Request, listed: &'static [&'static str]) -> TestCaseResult {
    let mut http = http::Request::new(HttpBody::Empty).with_raw_http_path(&request.path);
    *http.method_mut() = request.method.parse().expect("a method");
    for (name, value) in &request.headers {
        let value = HeaderValue::from_bytes(value).expect("bytes that HTTP permits");
        http.headers_mut()
            .append(HeaderName::from_static(name), value);
    }
    let response = respond(&http, &settings(listed));
    let arrival = Arrival {
        method: request.method.clone(),
        stage: None,
        path: request.path.clone(),
        headers: request.headers.clone(),
        decodes_base64: true,
        listed,
    };
    check(&answer_of(response), &promise(&arrival))
}

fn answer_of(response: http::Response<HttpBody>) -> Answer {
    let (head, body) = response.into_parts();
    let text = |value: &HeaderValue| value.to_str().expect("ASCII").to_owned();
    let mut headers = BTreeMap::new();
    for name in head
        .headers
        .keys()
        .filter(|name| *name != header::SET_COOKIE)
    {
        let values: Vec<_> = head.headers.get_all(name).iter().map(text).collect();
        headers.insert(name.as_str().to_owned(), values.join(" and also "));
    }
    Answer {
        status: head.status.as_u16(),
        headers,
        set_cookie: head
            .headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(text)
            .collect(),
        body: match body {
            HttpBody::Text(text) => text,
            HttpBody::Binary(gzip) => decompress(&gzip),
            HttpBody::Empty => String::new(),
            other => panic!("not a body of the counter: {other:?}"),
        },
    }
}

fn check(answer: &Answer, promise: &Promise) -> TestCaseResult {
    prop_assert_eq!(answer.status, promise.status);
    let mut headers: BTreeMap<&str, &str> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let policy = headers.remove("content-security-policy");
    let allow_origin = promise.allow_origin.as_deref();
    let expected = [
        (
            "access-control-allow-credentials",
            allow_origin.map(|_| "true"),
        ),
        (
            "access-control-allow-headers",
            promise.allow_headers.as_deref(),
        ),
        (
            "access-control-allow-methods",
            promise.is_preflight.then_some("GET"),
        ),
        ("access-control-allow-origin", allow_origin),
        (
            "access-control-max-age",
            promise.is_preflight.then_some("7200"),
        ),
        ("allow", promise.allow),
        ("cache-control", Some("no-store")),
        ("content-encoding", promise.content_encoding),
        ("content-type", promise.content_type),
        ("cross-origin-opener-policy", Some("same-origin")),
        ("cross-origin-resource-policy", Some("same-origin")),
        ("location", promise.location.as_deref()),
        ("referrer-policy", Some("same-origin")),
        (
            "strict-transport-security",
            promise.https.then_some("max-age=31536000"),
        ),
        ("vary", promise.vary),
        ("x-content-type-options", Some("nosniff")),
    ];
    let expected: BTreeMap<&str, &str> = expected
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    prop_assert_eq!(headers, expected);
    check_policy(policy.unwrap_or_default(), &answer.body)?;

    let set_cookie = answer.set_cookie.iter().map(|line| {
        let mut parts: Vec<String> = line.split("; ").map(str::to_owned).collect();
        parts[1..].sort();
        parts
    });
    prop_assert_eq!(
        set_cookie.collect::<Vec<_>>(),
        promise.set_cookie.iter().cloned().collect::<Vec<_>>()
    );

    match &promise.body {
        Body::Nothing => prop_assert_eq!(&answer.body, ""),
        Body::Exactly(text) => prop_assert_eq!(&answer.body, text),
        Body::Page { count, sent } => {
            let html = &answer.body;
            prop_assert_eq!(text(html, "<h1>"), format!("Page Count: {count}"));
            prop_assert_eq!(&text(html, "id=\"sent\""), sent);
            prop_assert_eq!(
                text(html, "id=\"answered\""),
                format!("Set-Cookie: {}", answer.set_cookie[0])
            );
            prop_assert_eq!(text(html, "id=\"next\""), format!("Cookie: count={count}"));
        }
        Body::Notice(home) => {
            let link = format!("<a href=\"{home}\">");
            prop_assert!(answer.body.contains(&link), "{} in {}", link, answer.body);
            prop_assert_eq!(
                answer.body.matches("href=").count(),
                2,
                "the icon and the link"
            );
        }
    }
    for (name, value) in answer
        .headers
        .iter()
        .chain([(&"body".to_owned(), &answer.body)])
    {
        prop_assert!(
            !value.contains(MARKER_LETTERS),
            "the request reached the answer's {}: {}",
            name,
            value
        );
    }
    Ok(())
}

/// The contract's directives, with the hash of the style that the page brings.
fn check_policy(policy: &str, body: &str) -> TestCaseResult {
    let styles = policy
        .strip_prefix("default-src 'none'; style-src ")
        .and_then(|rest| {
            rest.strip_suffix(
                "; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            )
        });
    let Some(styles) = styles else {
        return Err(TestCaseError::fail(format!("the policy {policy:?}")));
    };
    for style in styles.split(' ') {
        prop_assert!(
            style.starts_with("'sha256-") && style.ends_with('\''),
            "{}",
            style
        );
    }
    if let Some((_, rest)) = body.split_once("<style>") {
        let (style, _) = rest.split_once("</style>").expect("the style ends");
        let hash = format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(style)));
        prop_assert!(
            styles.split(' ').any(|style| style == hash),
            "{} in {}",
            hash,
            styles
        );
    }
    Ok(())
}

/// The text of the element whose opening tag holds `mark`, as a reader sees it.
fn text(html: &str, mark: &str) -> String {
    let mark = html
        .find(mark)
        .unwrap_or_else(|| panic!("{mark} in {html}"));
    let tag = &html[html[..=mark].rfind('<').expect("a tag") + 1..];
    let name = tag.split([' ', '>']).next().expect("a name");
    let (inner, _) = tag
        .split_once(&format!("</{name}>"))
        .expect("the element ends");
    let pieces = inner
        .split('<')
        .map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    let text: String = pieces.collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
