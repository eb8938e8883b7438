//! Every sample event, from its raw JSON to the raw JSON of its answer, as Lambda would deliver it.
//!
//! Each test has the name of its event. What is compared is the whole answer: the form that the
//! event's front door expects, every header, and the body. The pages are those in `tests/snapshots`;
//! `INSTA_UPDATE=always cargo test --test events` writes them anew.

use std::{collections::BTreeSet, fs, io::Read, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::read::GzDecoder;
use lambda_http::{Context, LambdaEvent, Service, http::StatusCode};
use page_visit_counter::{Event, Settings, function};
use pretty_assertions::assert_eq;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Declares a test for each event, and that the event is claimed.
macro_rules! events {
    ($($name:ident => $front_door:ident($answer:expr);)*) => {
        $(#[test] fn $name() {
            let name = stringify!($name);
            let event = event(name);
            assert_answer(name, &event, $front_door, &$answer);
            // As AWS writes it, without white space.
            let event = serde_json::from_str::<Value>(&event).unwrap().to_string();
            assert_answer(name, &event, $front_door, &$answer);
        })*
        const CLAIMED: &[&str] = &[$(stringify!($name)),*];
    };
}

events! {
    first_visit => payload_2(visit(1).gzip("first_visit"));
    return_visit => payload_2(visit(3).gzip("return_visit"));
    malformed_count => payload_2(visit(1).gzip("malformed_count"));
    stage_named_path => payload_2(notice(404, "not_found_in_a_folder"));
    overflowing_count => payload_2(visit(1).gzip("malformed_count"));
    maximum_count => payload_2(visit(u64::MAX).gzip("maximum_count"));
    duplicate_counts => payload_2(visit(42).gzip("forty_second_visit"));
    quoted_count => payload_2(visit(8).gzip("eighth_visit"));
    neighbour_cookies => payload_2(visit(3).gzip("return_visit"));
    non_ascii_neighbour_cookie => payload_2(visit(3).gzip("return_visit"));
    empty_cookies => payload_2(visit(1).gzip("first_visit"));
    prefetch => payload_2(notice(503, "prefetch"));
    prerender => payload_2(notice(503, "prefetch"));
    favicon => payload_2(notice(404, "not_found"));
    nested_path => payload_2(notice(404, "not_found_two_folders_down"));
    head => payload_2(Answer::new(200)
        .header("content-type", "text/html; charset=utf-8")
        .header("vary", "Accept, Accept-Encoding"));
    reset => payload_2(reset_answer());
    cross_site_reset => payload_2(notice(403, "reset_by_another_site"));
    get_reset => payload_2(notice(405, "reset_by_address").header("allow", "POST"));
    post => payload_2(notice(405, "method_not_allowed").header("allow", "GET, HEAD"));
    json_visit => payload_2(visit(3).text("application/json", "{\"count\":3}"));
    text_visit => payload_2(visit(3).text("text/plain; charset=utf-8", "3\n"));
    head_with_raw_quote_in_query => payload_2(Answer::new(200)
        .header("content-type", "text/html; charset=utf-8")
        .header("content-encoding", "gzip")
        .header("vary", "Accept, Accept-Encoding"));
    raw_quote_in_query => payload_2(visit(3).gzip("return_visit"));
    image => payload_2(notice(403, "part_of_another_page"));
    frame => payload_2(notice(403, "part_of_another_page"));

    embedded_first_visit => payload_2(embedded("https://blog.example.com", visit(1).partitioned()
        .text("text/plain; charset=utf-8", "1\n")));
    embedded_return_visit => payload_2(embedded("https://blog.example.com", visit(3).partitioned()
        .text("text/plain; charset=utf-8", "3\n")));
    embedded_same_site_visit => payload_2(embedded("https://example.org", visit(3)
        .text("text/plain; charset=utf-8", "3\n")));
    embedded_unlisted_origin => payload_2(notice(403, "unlisted_origin").header("vary", "Origin"));
    embedded_preflight => payload_2(embedded("https://blog.example.com", Answer::new(204)
        .header("access-control-allow-headers", "traceparent")
        .header("access-control-allow-methods", "GET")
        .header("access-control-max-age", "7200")));

    http_api_first_visit => payload_2(visit(1).gzip("first_visit"));
    http_api_return_visit => payload_2(visit(3).gzip("return_visit"));
    http_api_stage_return_visit => payload_2(visit(3).gzip("return_visit"));
    http_api_stage_reset => payload_2(reset_answer());
    http_api_stage_without_slash => payload_2(Answer::new(308).header("location", "prod/"));

    // Not compressed, though the browser would take it: a REST API does not decode Base64.
    rest_api_first_visit => payload_1(visit(1).page("first_visit"));
    rest_api_return_visit => payload_1(visit(3).page("return_visit"));
    // `headers` holds a header's last line only, 2; `multiValueHeaders` has 7 too.
    rest_api_many_cookie_lines => payload_1(visit(8).page("eighth_visit"));
    rest_api_reset => payload_1(reset_answer());
    rest_api_stage_path => payload_1(notice(404, "not_found"));
    // The test button of API Gateway's console sends a host that no URL can have.
    rest_api_console_test => payload_1(notice(404, "not_found_two_folders_down"));

    alb_first_visit => load_balancer(visit(1).gzip("first_visit"));
    alb_return_visit => load_balancer(visit(3).gzip("return_visit"));
    alb_plain_http_visit => load_balancer(visit(3).over_plain_http().gzip("return_visit_over_plain_http"));
    alb_plain_http_bad_host => load_balancer(visit(3).over_plain_http().gzip("return_visit_over_plain_http"));
    alb_multi_value_first_visit => load_balancer(visit(1).gzip("first_visit"));
    alb_multi_value_return_visit => load_balancer(visit(3).gzip("return_visit"));

    vpc_lattice_first_visit => lattice(visit(1).page("first_visit"));
    vpc_lattice_return_visit => lattice(visit(3).page("return_visit"));
}

#[test]
fn every_event_is_claimed_by_a_test_of_its_name() {
    let files: BTreeSet<_> = fs::read_dir(events_folder())
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(
        files,
        CLAIMED.iter().map(|name| (*name).to_owned()).collect()
    );
}

#[test]
fn an_event_of_no_front_door_is_an_error_that_names_what_was_expected() {
    for event in [
        "{}",
        "null",
        "[]",
        "7",
        r#"{"Records":[{"eventSource":"aws:sqs"}]}"#,
    ] {
        let error = serde_json::from_str::<Event>(event).unwrap_err();
        assert!(
            error.to_string().contains("API Gateway"),
            "{event}: {error}"
        );
        assert!(
            error.to_string().contains("Function URLs"),
            "{event}: {error}"
        );
    }
}

fn events_folder() -> PathBuf {
    PathBuf::from("events")
}

fn event(name: &str) -> String {
    fs::read_to_string(events_folder().join(name).with_extension("json")).unwrap()
}

#[track_caller]
fn assert_answer(name: &str, event: &str, front_door: fn(&Answer) -> Value, expected: &Answer) {
    let mut found = answer_to(event, &settings(name));
    let body = found.as_object_mut().unwrap().remove("body");
    let mut answer = front_door(expected);
    found.sort_all_objects();
    answer.sort_all_objects();
    assert_eq!(found, answer);

    match (&expected.body, body) {
        (Body::Nothing, None) => {}
        (Body::Exactly(text), Some(body)) => assert_eq!(body, *text),
        (Body::Page(snapshot), Some(body)) => {
            let mut page = body.as_str().unwrap().to_owned();
            if found["isBase64Encoded"] == true {
                page = decompress(&page);
            }
            // By its hash it is in the policy, which was compared.
            let (_, rest) = page.split_once("<style>").unwrap();
            let (style, _) = rest.split_once("</style>").unwrap();
            insta::assert_snapshot!(*snapshot, page.replace(style, "…"));
        }
        (_, body) => panic!("not the body that was expected: {body:?}"),
    }
}

/// Those that embed the count have been listed by the owner.
fn settings(name: &str) -> Settings {
    let mut settings = Settings::default();
    if name.starts_with("embedded_") {
        let origins = "https://blog.example.com https://example.org";
        settings.embed_origins = origins.parse().unwrap();
    }
    settings
}

fn answer_to(event: &str, settings: &Settings) -> Value {
    let event: Event = serde_json::from_str(event).expect("an event of a front door");
    let mut service = function::service(settings.clone());
    let answer = service.call(LambdaEvent::new(event, Context::default()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    serde_json::to_value(runtime.block_on(answer).unwrap()).unwrap()
}

fn decompress(base64: &str) -> String {
    let gzip = BASE64_STANDARD.decode(base64).unwrap();
    let mut page = String::new();
    GzDecoder::new(&gzip[..]).read_to_string(&mut page).unwrap();
    page
}

/// An answer, whatever the front door.
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    set_cookie: Option<String>,
    body: Body,
}

enum Body {
    Nothing,
    Exactly(&'static str),
    /// The page of this name in `tests/snapshots`, compressed or not.
    Page(&'static str),
}

impl Answer {
    /// With the headers that every answer carries.
    fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            set_cookie: None,
            body: Body::Nothing,
        }
        .header("cache-control", "no-store")
        .header(
            "content-security-policy",
            &format!(
                "default-src 'none'; style-src '{}' '{}'; img-src data:; \
                 form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
                style_hash(include_str!(concat!(env!("OUT_DIR"), "/page.css"))),
                style_hash(include_str!(concat!(env!("OUT_DIR"), "/notice.css"))),
            ),
        )
        .header("x-content-type-options", "nosniff")
        .header("referrer-policy", "same-origin")
        .header("strict-transport-security", "max-age=31536000")
        .header("cross-origin-opener-policy", "same-origin")
        .header("cross-origin-resource-policy", "same-origin")
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn set_cookie(mut self, value: String) -> Self {
        self.set_cookie = Some(value);
        self
    }

    /// With a cookie of the site that embeds the count.
    fn partitioned(self) -> Self {
        let cookie = self.set_cookie.as_ref().unwrap();
        let cookie = cookie.replace("SameSite=Lax", "SameSite=None; Partitioned");
        self.set_cookie(cookie)
    }

    fn over_plain_http(mut self) -> Self {
        self.headers
            .retain(|(name, _)| *name != "strict-transport-security");
        let cookie = self.set_cookie.as_ref().unwrap().replace("; Secure", "");
        self.set_cookie(cookie)
    }

    fn text(self, content_type: &str, text: &'static str) -> Self {
        Self {
            body: Body::Exactly(text),
            ..self.header("content-type", content_type)
        }
    }

    fn page(self, snapshot: &'static str) -> Self {
        Self {
            body: Body::Page(snapshot),
            ..self.header("content-type", "text/html; charset=utf-8")
        }
    }

    fn gzip(self, snapshot: &'static str) -> Self {
        self.page(snapshot).header("content-encoding", "gzip")
    }

    fn headers(&self) -> Map<String, Value> {
        self.headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect()
    }

    fn headers_with_cookie(&self) -> Map<String, Value> {
        let mut headers = self.headers();
        if let Some(cookie) = &self.set_cookie {
            headers.insert("set-cookie".to_owned(), json!(cookie));
        }
        headers
    }

    /// A compressed page travels as Base64; `HEAD` names the compression and has no page.
    fn is_compressed(&self) -> bool {
        matches!(self.body, Body::Page(_)) && self.headers().contains_key("content-encoding")
    }
}

/// As a browser computes it (<https://www.w3.org/TR/CSP3/#match-element-to-source-list>).
fn style_hash(style: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(style)))
}

fn visit(count: u64) -> Answer {
    Answer::new(200)
        .header("vary", "Accept, Accept-Encoding")
        .set_cookie(format!(
            "count={count}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000"
        ))
}

/// An answer that a script of this origin may read.
fn embedded(origin: &str, mut answer: Answer) -> Answer {
    let vary = answer.headers.iter_mut().find(|(name, _)| *name == "vary");
    match vary {
        Some((_, names)) => names.push_str(", Origin"),
        None => answer.headers.push(("vary", "Origin".to_owned())),
    }
    answer
        .header("access-control-allow-origin", origin)
        .header("access-control-allow-credentials", "true")
}

fn notice(status: u16, snapshot: &'static str) -> Answer {
    Answer::new(status).page(snapshot)
}

fn reset_answer() -> Answer {
    let forget = "count=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0";
    Answer::new(303)
        .header("location", "./")
        .set_cookie(forget.to_owned())
}

/// Function URL and HTTP API: `Set-Cookie` goes into `cookies`.
fn payload_2(answer: &Answer) -> Value {
    json!({
        "statusCode": answer.status,
        "headers": answer.headers(),
        "multiValueHeaders": {},
        "isBase64Encoded": answer.is_compressed(),
        "cookies": answer.set_cookie.iter().collect::<Vec<_>>(),
    })
}

/// REST API: every header goes into `multiValueHeaders`.
fn payload_1(answer: &Answer) -> Value {
    json!({
        "statusCode": answer.status,
        "headers": {},
        "multiValueHeaders": multi_value(answer.headers_with_cookie()),
        "isBase64Encoded": answer.is_compressed(),
    })
}

/// Application Load Balancer: both forms, of which its target group reads one.
fn load_balancer(answer: &Answer) -> Value {
    json!({
        "statusCode": answer.status,
        "statusDescription": StatusCode::from_u16(answer.status).unwrap().to_string(),
        "headers": answer.headers_with_cookie(),
        "multiValueHeaders": multi_value(answer.headers_with_cookie()),
        "isBase64Encoded": answer.is_compressed(),
    })
}

fn lattice(answer: &Answer) -> Value {
    json!({
        "statusCode": answer.status,
        "headers": answer.headers_with_cookie(),
        "isBase64Encoded": answer.is_compressed(),
    })
}

fn multi_value(headers: Map<String, Value>) -> Map<String, Value> {
    headers
        .into_iter()
        .map(|(name, value)| (name, json!([value])))
        .collect()
}
