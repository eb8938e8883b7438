//! The events of every front door: the samples in `events/`, and what may be different in them.
//!
//! The page for each of its four stories is in `snapshots`; `INSTA_UPDATE=always cargo test --test it front_doors`
//! updates them.

use std::{collections::BTreeMap, fs};

use json_patch::merge;
use page_visit_counter::Settings;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    requests::{AHEAD, BLOG, FORGET, PARTITIONED, answer_of, forgotten, method_not_allowed, not_found, refused, visit},
};

pub(crate) fn sample(name: &str) -> Value {
    serde_json::from_slice(&fs::read(format!("events/{name}.json")).unwrap()).unwrap()
}

/// The answer, with only the words of a short page.
fn answer(event: &Value) -> Option<Answer> {
    let embedded = event["headers"]["referer"].is_string();
    let origins = if embedded { BLOG } else { "" };
    Answer::to(event.to_string().as_bytes(), origins).map(Answer::words)
}

/// Each sample with the answer that it gets.
fn samples() -> BTreeMap<&'static str, Answer> {
    let partitioned = &format!("count=3; {PARTITIONED}");
    [
        ("first_visit", visit(1).gzip()),
        ("return_visit", visit(3).gzip()),
        ("malformed_count", visit(1).gzip()),
        ("json_visit", visit(3).json("{\"count\":3}")),
        ("text_visit", visit(3).text("3\n")),
        ("reset", answer_of(303).header("location", "./").set_cookie(FORGET)),
        ("forget", forgotten()),
        ("favicon", not_found()),
        ("prefetch", refused(AHEAD)),
        ("embedded_return_visit", visit(3).set_cookie(partitioned).text("3\n").readable_from(BLOG)),
        ("http_api_first_visit", visit(1).gzip()),
        ("http_api_return_visit", visit(3).gzip()),
        // Not compressed, although the browser accepts gzip: a REST API does not decode Base64.
        ("rest_api_first_visit", visit(1)),
        ("rest_api_return_visit", visit(3)),
        ("alb_first_visit", visit(1).gzip()),
        ("alb_return_visit", visit(3).gzip()),
        ("alb_multi_value_first_visit", visit(1).gzip()),
        ("alb_multi_value_return_visit", visit(3).gzip()),
        ("vpc_lattice_first_visit", visit(1)),
        ("vpc_lattice_return_visit", visit(3)),
        ("vpc_lattice_v1_return_visit", visit(3)),
    ]
    .into()
}

#[test]
fn each_sample_gets_its_answer() {
    let files = fs::read_dir("events").unwrap().map(|file| {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let answer = answer(&sample(&name)).expect(&name);
        (name, answer)
    });
    let expected = samples().into_iter().map(|(name, answer)| (name.to_owned(), answer));
    assert_eq!(files.collect::<BTreeMap<_, _>>(), expected.collect());
}

/// Each with another lifetime of the cookie.
#[test]
fn the_page_tells_each_of_its_stories() {
    let mut greatest_count = sample("return_visit");
    greatest_count["cookies"] = json!([format!("count={}", u64::MAX)]);
    for (story, days, event) in [
        ("first_visit", "400", sample("first_visit")),
        ("return_visit", "1", sample("return_visit")),
        ("malformed_count", "0", sample("malformed_count")),
        ("greatest_count", "30", greatest_count),
    ] {
        let days = |name: &str| (name == "COUNT_COOKIE_MAX_AGE_DAYS").then(|| days.to_owned());
        let answer =
            page_visit_counter::answer(serde_json::from_value(event).unwrap(), &Settings::read(days).unwrap()).unwrap();
        let page = Answer::read(&serde_json::to_value(answer).unwrap()).body;
        // The style is compared by its hash in the Content-Security-Policy.
        let (_, rest) = page.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        insta::assert_snapshot!(story, page.replace(style, "…"));
    }
}

#[test]
fn each_front_door_has_its_own_way_to_deliver_a_request() {
    let cookie_lines = |lines: Value| json!({ "multiValueHeaders": { "cookie": lines } });
    let payload_2 = |path, stage| json!({ "rawPath": path, "requestContext": { "stage": stage } });
    let payload_1 = |path, stage| json!({ "path": path, "requestContext": { "path": path, "stage": stage } });
    let rest_api = |path, requested| json!({ "path": path, "requestContext": { "path": requested } });
    let post = json!({ "rawPath": "/prod", "requestContext": { "stage": "prod", "http": { "method": "POST" } } });
    let lattice_over_http = json!({ "headers": { "x-forwarded-for-proto": ["http"] } });
    let many_headers: Value = (0..30_000).map(|number| (format!("x{number}"), json!(""))).collect();
    for (name, difference, expected) in [
        // Cookies
        ("return_visit", json!({ "cookies": [] }), visit(1).gzip()),
        ("return_visit", json!({ "cookies": null }), visit(1).gzip()),
        ("return_visit", json!({ "headers": null }), visit(3).over_plain_http()),
        ("return_visit", json!({ "cookies": null, "headers": { "cookie": "a=b; count=7" } }), visit(8).gzip()),
        ("return_visit", json!({ "cookies": ["cookie1", "count=2; count=41", "count=abc"] }), visit(42).gzip()),
        ("return_visit", json!({ "cookies": [null, 7, "a=\u{1}", "count=2", "b=\n", ["count=9"]] }), visit(3).gzip()),
        // `headers` holds the last line of a header, 2; `multiValueHeaders` holds all of them.
        ("rest_api_return_visit", json!({ "multiValueHeaders": { "Cookie": ["count=7", "count=2"] } }), visit(8)),
        ("alb_multi_value_return_visit", cookie_lines(json!(["count=7", "count=2"])), visit(8).gzip()),
        ("alb_return_visit", json!({ "multiValueHeaders": {} }), visit(3).gzip()),
        ("alb_multi_value_return_visit", cookie_lines(json!(["a=\u{1}", 7, "count=2", null])), visit(3).gzip()),
        ("vpc_lattice_return_visit", json!({ "headers": { "cookie": ["count=7", "count=2"] } }), visit(8)),
        // Malformed methods and queries
        ("forget", json!({ "requestContext": { "http": { "method": "\n" } } }), method_not_allowed("/forget")),
        ("alb_return_visit", json!({ "httpMethod": "\n" }), method_not_allowed("/")),
        ("vpc_lattice_return_visit", json!({ "method": "G T" }), method_not_allowed("/")),
        ("return_visit", json!({ "rawQueryString": "q=\"a b\"&%zz=\u{0}" }), visit(3).gzip()),
        // However much a stranger sends
        ("return_visit", json!({ "rawQueryString": "q".repeat(64 * 1024) }), visit(3).gzip()),
        ("return_visit", json!({ "headers": { "x": "x".repeat(10 * 1024) } }), visit(3).gzip()),
        ("return_visit", json!({ "headers": many_headers }), visit(3).gzip()),
        ("return_visit", json!({ "cookies": [format!("a={}", "x".repeat(10 * 1024)), "count=2"] }), visit(3).gzip()),
        ("return_visit", json!({ "body": "x".repeat(6 * 1024 * 1024) }), visit(3).gzip()),
        // Stages
        ("http_api_return_visit", payload_2("/prod/", "prod"), visit(3).gzip()),
        ("http_api_return_visit", payload_2("/prod", "prod"), answer_of(308).header("location", "prod/")),
        ("rest_api_return_visit", rest_api("/", "/Prod"), answer_of(308).header("location", "Prod/")),
        ("rest_api_return_visit", rest_api("/", "/"), visit(3)), // a custom domain
        ("rest_api_return_visit", rest_api("/", "/base/"), visit(3)), // a custom domain with a base path
        ("rest_api_return_visit", rest_api("/Prod/", "/Prod/"), visit(3)), // a custom domain without a stage
        ("rest_api_return_visit", rest_api("/Prod", "/Prod"), answer_of(308).header("location", "Prod/")),
        ("rest_api_return_visit", payload_1("/", "$default"), visit(3)),
        ("rest_api_return_visit", payload_1("/prod/", "prod"), visit(3)),
        ("rest_api_return_visit", payload_1("/prod", "prod"), answer_of(308).header("location", "prod/")),
        ("http_api_return_visit", post, method_not_allowed("/prod")),
        // The test button in API Gateway's console sends no `requestContext.path`.
        ("rest_api_return_visit", json!({ "requestContext": { "path": null }, "multiValueHeaders": null }), visit(3)),
        ("vpc_lattice_return_visit", lattice_over_http, visit(3).over_plain_http()),
    ] {
        let mut event = sample(name);
        merge(&mut event, &difference);
        assert_eq!(answer(&event), Some(expected), "{name} with {:.200}", difference.to_string());
    }
}

/// A return visit through each front door, and the answer.
fn return_visits() -> impl Iterator<Item = (&'static str, Answer)> {
    samples().into_iter().filter(|(name, _)| name.ends_with("return_visit"))
}

/// aws-lambda-rust-runtime issue 786, aws-lambda-web-adapter issue 732.
#[test]
fn only_the_header_that_http_forbids_is_left_out() {
    for (name, expected) in return_visits() {
        for (header, line) in [
            ("x", json!("a\u{1}b")),
            ("x", json!("\u{7f}")),
            ("x", json!("\r\nSet-Cookie: count=9")),
            ("a(b", json!("c")),
            ("é", json!("c")),
            ("", json!("c")),
            ("\n", json!("c")),
            ("x", json!(null)),
            ("x", json!(7)),
            ("x", json!({ "cookie": "count=9" })),
        ] {
            for line in [line.clone(), json!([line])] {
                let mut event = sample(name);
                for map in ["headers", "multiValueHeaders"] {
                    if let Some(headers) = event[map].as_object_mut() {
                        headers.insert(header.to_owned(), line.clone());
                    }
                }
                assert_eq!(answer(&event).as_ref(), Some(&expected), "{name} with {header:?}: {line}");
            }
        }
    }
}

/// The fields that the counter reads. Any other field may be absent, null or anything else.
const READ: &str = "/cookies /headers /httpMethod /method /multiValueHeaders /path /rawPath /raw_path /requestContext \
                    /requestContext/elb /requestContext/http /requestContext/http/method /requestContext/path \
                    /requestContext/stage";

#[test]
fn a_field_that_the_counter_does_not_read_changes_nothing_whatever_it_is() {
    let some =
        [json!(null), json!(true), json!(-1), json!(1_795_428_000.25), json!("x"), json!(["x"]), json!({ "x": "x" })];
    let mut tried = 0;
    for value in some.iter().map(Some).chain([None]) {
        for (name, expected) in return_visits() {
            let mut event = sample(name);
            tried += replace_unread(&mut event, "", value);
            assert_eq!(answer(&event).as_ref(), Some(&expected), "{event}");
        }
    }
    assert!(tried > 500, "{tried}");
}

/// Gives every field that the counter does not read this value, or removes it, and returns how many there were.
fn replace_unread(object: &mut Value, path: &str, value: Option<&Value>) -> usize {
    let (Some(fields), mut replaced) = (object.as_object_mut(), 0) else { return 0 };
    fields.retain(|name, field| {
        let path = format!("{path}/{name}");
        let is_read = READ.split(' ').any(|read| read == path);
        if !is_read {
            replaced += 1;
            field.clone_from(value.unwrap_or(&Value::Null));
        } else if path.starts_with("/requestContext") {
            replaced += replace_unread(field, &path, value);
        }
        is_read || value.is_some()
    });
    replaced
}

#[test]
fn an_event_without_a_request_has_no_answer() {
    for event in ["null", "7", "[]", "{}", r#"{"Records":[{"body":"count=7"}]}"#, "{", "", "\u{ff}"] {
        assert_eq!(Answer::to(event.as_bytes(), ""), None, "{event}");
    }
    assert_eq!(Answer::to(b"\xff\xfe", ""), None);
    for (name, field) in [
        ("return_visit", "headers"),
        ("return_visit", "cookies"),
        ("return_visit", "rawPath"),
        ("return_visit", "requestContext"),
        ("rest_api_return_visit", "httpMethod"),
        ("alb_return_visit", "path"),
        ("vpc_lattice_return_visit", "method"),
        ("vpc_lattice_v1_return_visit", "raw_path"),
    ] {
        let mut event = sample(name);
        event[field] = json!(7);
        assert_eq!(answer(&event), None, "{name}: {field}");
    }
}
