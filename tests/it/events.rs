//! The events of every front door: the samples in `events/`, and variations in a field or two.
//!
//! Each sample has a test with its name, which compares the whole answer. The page for each of its three stories
//! is in `snapshots`; `INSTA_UPDATE=always cargo test --test it events` updates them.

use std::{collections::BTreeSet, fs};

use lambda_http::request::LambdaRequest;
use page_visit_counter::Settings;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::invariants::{Answer, parse};

/// Declares a test for each sample, and lists the samples that have one.
macro_rules! samples {
    ($($name:ident => $answer:expr;)*) => {
        $(#[test] fn $name() {
            assert_eq!(answer(&sample(stringify!($name))), $answer);
        })*
        const CLAIMED: &[&str] = &[$(stringify!($name)),*];
    };
}

samples! {
    first_visit => visit(1).gzip();
    return_visit => visit(3).gzip();
    malformed_count => visit(1).gzip();
    json_visit => visit(3).form("application/json", "{\"count\":3}");
    text_visit => visit(3).form("text/plain; charset=utf-8", "3\n");
    reset => answer_of(303).header("location", "./").set_cookie(FORGET);
    forget => notice(200).set_cookie(FORGET);
    favicon => notice(404);
    prefetch => notice(403);
    embedded_return_visit => visit(3)
        .set_cookie("count=3; HttpOnly; SameSite=None; Partitioned; Secure; Path=/; Max-Age=34560000")
        .form("text/plain; charset=utf-8", "3\n")
        .embedded("https://blog.example.com");

    http_api_first_visit => visit(1).gzip();
    http_api_return_visit => visit(3).gzip();

    // Not compressed, although the browser accepts gzip: a REST API does not decode Base64.
    rest_api_first_visit => visit(1);
    rest_api_return_visit => visit(3);

    alb_first_visit => visit(1).gzip();
    alb_return_visit => visit(3).gzip();
    alb_multi_value_first_visit => visit(1).gzip();
    alb_multi_value_return_visit => visit(3).gzip();

    vpc_lattice_first_visit => visit(1);
    vpc_lattice_return_visit => visit(3);
}

#[test]
fn every_sample_has_a_test_with_its_name() {
    let names = fs::read_dir("events").unwrap().map(|file| {
        let path = file.unwrap().path();
        path.file_stem().unwrap().to_str().unwrap().to_owned()
    });
    let claimed = CLAIMED.iter().map(|name| (*name).to_owned());
    assert_eq!(names.collect::<BTreeSet<_>>(), claimed.collect());
}

#[test]
fn the_page_tells_each_of_its_stories() {
    for story in ["first_visit", "return_visit", "malformed_count"] {
        let event = parse(sample(story).to_string().as_bytes()).unwrap();
        let page = Answer::to(event, &Settings::default()).body;
        // The style is compared by its hash in the Content-Security-Policy.
        let (_, rest) = page.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        insta::assert_snapshot!(story, page.replace(style, "…"));
    }
}

#[test]
#[rustfmt::skip] // one line each
fn variations_of_the_samples_get_the_promised_answers() {
    for (name, difference, expected) in [
        // Cookies in every form
        ("return_visit", json!({ "cookies": [] }), visit(1).gzip()),
        ("return_visit", json!({ "cookies": null }), visit(1).gzip()),
        ("return_visit", json!({ "cookies": null, "headers": { "cookie": "a=b; count=7" } }), visit(8).gzip()),
        ("return_visit", json!({ "cookies": ["cookie1", "count=2; count=41", "count=abc"] }), visit(42).gzip()),
        ("return_visit", json!({ "cookies": ["city=São Paulo", "count=2"] }), visit(3).gzip()),
        ("return_visit", json!({ "cookies": ["a=\u{1}", "count=2", "b=\n"] }), visit(3).gzip()),
        ("return_visit", json!({ "cookies": ["count=18446744073709551615"] }), visit(u64::MAX).gzip()),
        // `headers` holds the last line of a header, 2; `multiValueHeaders` holds all of them.
        ("rest_api_return_visit", json!({ "multiValueHeaders": { "Cookie": ["count=7", "count=2"] } }), visit(8)),
        ("alb_multi_value_return_visit", json!({ "multiValueHeaders": { "cookie": ["count=7", "count=2"] } }), visit(8).gzip()),
        ("vpc_lattice_return_visit", json!({ "headers": { "cookie": ["count=7", "count=2"] } }), visit(8)),

        // A URL that does not parse changes nothing.
        ("return_visit", json!({ "rawQueryString": "q=\"a b\"&%zz=\u{0}" }), visit(3).gzip()),
        ("return_visit", json!({ "rawQueryString": "q".repeat(64 * 1024) }), visit(3).gzip()),
        ("return_visit", json!({ "headers": { "host": "1234567890.{dns}" } }), visit(3).gzip()),
        ("return_visit", json!({ "headers": { "x-forwarded-proto": "h t t p" } }), visit(3).gzip()),

        // Nothing is compressed for a client that does not accept gzip.
        ("return_visit", json!({ "headers": { "accept-encoding": "br" } }), visit(3)),

        // Nor do fields that nobody reads, if lambda_http cannot read them.
        ("alb_return_visit", json!({ "queryStringParameters": [7], "body": 7 }), visit(3).gzip()),
        ("rest_api_return_visit", json!({ "queryStringParameters": { "a": 7 } }), visit(3)),

        // Methods
        ("return_visit", method("HEAD"), visit_headers().gzip()),
        ("return_visit", method("POST"), not_allowed("GET, HEAD")),
        ("return_visit", method("G(T"), not_allowed("GET, HEAD")),
        ("alb_return_visit", json!({ "httpMethod": "\n" }), not_allowed("GET, HEAD")),
        ("rest_api_return_visit", json!({ "httpMethod": "é", "requestContext": { "httpMethod": "é" } }), not_allowed("GET, HEAD")),
        ("vpc_lattice_return_visit", json!({ "method": "G T" }), not_allowed("GET, HEAD")),

        // Paths
        ("return_visit", path("/$default", "$default"), notice(404)),
        ("return_visit", path("/\u{0}é", "$default"), notice(404)),
        ("http_api_return_visit", path("/prod/", "prod"), visit(3).gzip()),
        ("http_api_return_visit", path("/prod/x", "prod"), notice(404)),
        ("http_api_return_visit", path("/prod", "prod"), answer_of(308).header("location", "prod/")),
        ("rest_api_return_visit", json!({ "requestContext": { "path": "/Prod" } }), answer_of(308).header("location", "Prod/")),
        // The test button in API Gateway's console sends no `requestContext.path`, and a host that is not valid.
        ("rest_api_return_visit", json!({
            "path": "/path/to/resource",
            "requestContext": { "path": null },
            "headers": { "Host": "1234567890.execute-api.{dns_suffix}" },
            "multiValueHeaders": null,
        }), notice(404)),

        // Plain HTTP between the visitor and the front door
        ("alb_return_visit", json!({ "headers": { "x-forwarded-proto": "http", "host": "no host" } }), visit(3).gzip().over_plain_http()),
        ("vpc_lattice_return_visit", json!({ "headers": { "x-forwarded-for-proto": ["http"] } }), visit(3).over_plain_http()),

        // Other sites
        ("reset", json!({ "headers": { "sec-fetch-site": "cross-site" } }), notice(403)),
        ("reset", json!({ "headers": { "sec-fetch-site": null, "origin": "https://evil.example" } }), notice(403)),
        ("embedded_return_visit", json!({ "headers": { "sec-fetch-site": "same-site" } }),
            visit(3).form("text/plain; charset=utf-8", "3\n").embedded("https://blog.example.com")),
        ("embedded_return_visit", json!({ "headers": { "origin": "https://example.net" } }),
            notice(403).header("vary", "Origin")),
        ("embedded_return_visit", json!({
            "headers": { "access-control-request-method": "GET", "access-control-request-headers": "traceparent" },
            "requestContext": { "http": { "method": "OPTIONS" } },
        }), answer_of(204)
            .header("access-control-allow-headers", "traceparent")
            .header("access-control-allow-methods", "GET")
            .header("access-control-max-age", "7200")
            .embedded("https://blog.example.com")),
    ] {
        let mut event = sample(name);
        json_patch::merge(&mut event, &difference);
        assert_eq!(answer(&event), expected, "{name} with {difference}");
    }
}

/// aws-lambda-rust-runtime issue 786, aws-lambda-web-adapter issue 732.
#[test]
fn only_the_header_that_http_forbids_is_left_out_at_every_front_door() {
    for name in CLAIMED.iter().filter(|name| name.ends_with("return_visit")) {
        let expected = answer(&sample(name));
        assert_eq!(expected.status, 200);
        for (header, value) in [
            ("x", json!("a\u{1}b")),
            ("x", json!("\u{7f}")),
            ("x", json!("\r\nSet-Cookie: count=9")),
            ("a(b", json!("c")),
            ("é", json!("c")),
            ("", json!("c")),
            ("\n", json!("c")),
            ("x", json!(null)),
        ] {
            let mut event = sample(name);
            for map in ["headers", "multiValueHeaders"] {
                let Some(headers) = event[map].as_object_mut() else {
                    continue;
                };
                let is_list = headers.values().any(Value::is_array) && !value.is_null();
                let value = if is_list {
                    json!([value])
                } else {
                    value.clone()
                };
                headers.insert(header.to_owned(), value);
            }
            assert_eq!(answer(&event), expected, "{name} with {header:?}: {value}");
        }
    }
    // If a header has several lines, only the forbidden ones are left out.
    let mut event = sample("alb_multi_value_return_visit");
    event["multiValueHeaders"]["cookie"] = json!(["a=\u{1}", "count=2", "b=\u{7f}"]);
    assert_eq!(answer(&event), visit(3).gzip());
}

pub(crate) fn sample(name: &str) -> Value {
    serde_json::from_slice(&fs::read(format!("events/{name}.json")).unwrap()).unwrap()
}

fn method(method: &str) -> Value {
    json!({ "requestContext": { "http": { "method": method } } })
}

fn path(path: &str, stage: &str) -> Value {
    json!({ "rawPath": path, "requestContext": { "stage": stage, "http": { "path": path } } })
}

/// The answer, without the HTML of a page.
fn answer(event: &Value) -> Answer {
    // Without white space, as AWS writes events, and with it, as people do.
    let [compact, pretty] = [event.to_string(), format!("{event:#}")].map(|event| {
        let event: LambdaRequest = parse(event.as_bytes()).expect("an event from a front door");
        let mut settings = Settings::default();
        if matches!(&event, LambdaRequest::ApiGatewayV2(it) if it.headers.contains_key("referer")) {
            settings.embed_origins = "https://blog.example.com".parse().unwrap();
        }
        Answer::to(event, &settings)
    });
    assert_eq!(compact, pretty);
    let mut answer = compact;
    if answer
        .headers
        .get("content-type")
        .is_some_and(|it| it.starts_with("text/html"))
    {
        answer.body.clear();
    }
    answer
}

const FORGET: &str = "count=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0";

fn answer_of(status: u16) -> Answer {
    Answer {
        status,
        headers: [].into(),
        set_cookie: None,
        body: String::new(),
        is_https: true,
    }
}

fn visit_headers() -> Answer {
    answer_of(200)
        .header("content-type", "text/html; charset=utf-8")
        .header("vary", "Accept, Accept-Encoding")
}

fn visit(count: u64) -> Answer {
    visit_headers().set_cookie(&format!(
        "count={count}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000"
    ))
}

fn notice(status: u16) -> Answer {
    answer_of(status).header("content-type", "text/html; charset=utf-8")
}

fn not_allowed(allow: &str) -> Answer {
    notice(405).header("allow", allow)
}

impl Answer {
    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    fn set_cookie(mut self, value: &str) -> Self {
        self.set_cookie = Some(value.to_owned());
        self
    }

    fn form(self, content_type: &str, body: &str) -> Self {
        Self {
            body: body.to_owned(),
            ..self.header("content-type", content_type)
        }
    }

    fn gzip(self) -> Self {
        self.header("content-encoding", "gzip")
    }

    fn over_plain_http(mut self) -> Self {
        self.set_cookie = self.set_cookie.map(|cookie| cookie.replace("; Secure", ""));
        self.is_https = false;
        self
    }

    /// Adds the headers that let a script on this origin read the answer.
    fn embedded(self, origin: &str) -> Self {
        let vary = self.headers.get("vary");
        let vary = vary.map_or("Origin".to_owned(), |vary| format!("{vary}, Origin"));
        self.header("vary", &vary)
            .header("access-control-allow-origin", origin)
            .header("access-control-allow-credentials", "true")
    }
}
