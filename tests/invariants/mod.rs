//! What holds for every answer, whatever the event: one check for the fuzzer and for the tests.
//!
//! It knows nothing of what the answer should be (`tests/model.rs` does), only what it must not be:
//! a panic, a failure, a page with bytes of the request, a second or malformed cookie.

#![allow(
    dead_code,
    reason = "each program that includes this module uses a part of it"
)]

use std::{
    cell::Cell,
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    pin::pin,
    process,
    sync::Once,
    task::{Context as TaskContext, Poll, Waker},
};

use lambda_http::{
    Context, LambdaEvent, Request, Service,
    http::StatusCode,
    request::{LambdaRequest, RequestOrigin},
};
use page_visit_counter::{CookieLifetime, Event, count_cookie::Received, function, page};
use serde::Deserialize;
use serde_json::{Deserializer, Value};

/// What an event came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// It is no event of a front door: an invocation error.
    NoEvent,
    /// It was answered with this status.
    Answered(u16),
}

/// No answer is longer; the front doors' own limit is a hundred times that.
const MAX_BODY_BYTES: usize = 8 * 1024;

const SECURITY_HEADERS: &[(&str, &str)] = &[
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
];

/// Sends the bytes of an event down Lambda's path and checks the answer.
///
/// # Panics
///
/// If the answer breaks a promise, or there is none.
pub(crate) fn check(event: &[u8]) -> Outcome {
    let payload = match parse(event) {
        Ok(payload) => payload,
        Err(error) => {
            let message = error.to_string();
            assert!(
                error.is_syntax()
                    || error.is_eof()
                    || message.contains("but the data doesn't match any of those services' events"),
                "an error that says what was expected: {message}"
            );
            return Outcome::NoEvent;
        }
    };
    let is_head = method(&payload) == "HEAD";
    let answer = Answer::to(payload);
    let status = answer.status;
    answer.check(is_head);
    // Where lambda_http does panic, no other answer is possible.
    assert!(
        status != 400 || has_malformed_url(event),
        "400 is for URLs that lambda_http cannot build, and for no others"
    );
    Outcome::Answered(status)
}

/// Whether `lambda_http` panics when it makes a request of the event.
pub(crate) fn has_malformed_url(event: &[u8]) -> bool {
    let payload = parse(event).expect("an event of a front door");
    expecting_panics(|| panic::catch_unwind(AssertUnwindSafe(|| Request::from(payload))).is_err())
}

/// As `lambda_runtime` does, which leaves what follows the first JSON value unread.
pub(crate) fn parse(event: &[u8]) -> serde_json::Result<LambdaRequest> {
    Event::deserialize(&mut Deserializer::from_slice(event)).map(LambdaRequest::from)
}

fn method(payload: &LambdaRequest) -> &str {
    match payload {
        LambdaRequest::ApiGatewayV1(event) => event.http_method.as_str(),
        LambdaRequest::ApiGatewayV2(event) => event.request_context.http.method.as_str(),
        LambdaRequest::Alb(event) => event.http_method.as_str(),
        LambdaRequest::VpcLatticeV2(event) => event.method.as_ref().map_or("GET", |it| it.as_str()),
        other => panic!("a front door that nobody enabled: {other:?}"),
    }
}

/// The bytes that the Runtime API would get.
fn serve(payload: LambdaRequest) -> Vec<u8> {
    let mut service = function::service(CookieLifetime::default());
    // lambda_http's panics about URLs are caught inside; a panic while the future is polled is none
    // of them.
    let future =
        expecting_panics(|| service.call(LambdaEvent::new(payload.into(), Context::default())));
    let Poll::Ready(Ok(answer)) = pin!(future).poll(&mut TaskContext::from_waker(Waker::noop()))
    else {
        panic!("the answer is there at once: nothing in it waits");
    };
    serde_json::to_vec(&answer).expect("an answer is JSON")
}

thread_local! {
    static PANICS_ARE_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

fn expecting_panics<T>(body: impl FnOnce() -> T) -> T {
    PANICS_ARE_EXPECTED.set(true);
    let result = body();
    PANICS_ARE_EXPECTED.set(false);
    result
}

/// Has expected panics pass in silence, and any other end the process, which is how a fuzzer notices.
pub(crate) fn abort_on_unexpected_panics() {
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !PANICS_ARE_EXPECTED.get() {
            default(info);
            process::abort();
        }
    }));
}

/// Has expected panics pass in silence.
pub(crate) fn silence_expected_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !PANICS_ARE_EXPECTED.get() {
                default(info);
            }
        }));
    });
}

/// An answer, out of the form of its front door.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// All but `Set-Cookie`.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) set_cookie: Vec<String>,
    pub(crate) body: String,
}

impl Answer {
    /// The answer to an event.
    pub(crate) fn to(payload: LambdaRequest) -> Self {
        let origin = payload.request_origin();
        Self::read(&origin, &serve(payload))
    }

    fn read(origin: &RequestOrigin, json: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(json).expect("an answer is JSON");
        assert_eq!(json["isBase64Encoded"], false, "{json}");
        let single = single_values(&json["headers"]);
        let multi = multi_values(&json["multiValueHeaders"]);
        let (mut headers, mut set_cookie) = match origin {
            RequestOrigin::ApiGatewayV2 => {
                assert!(multi.is_empty(), "{json}");
                assert!(!single.contains_key("set-cookie"), "{json}");
                (single, strings(&json["cookies"]))
            }
            RequestOrigin::ApiGatewayV1 => {
                assert!(single.is_empty(), "{json}");
                (multi, Vec::new())
            }
            RequestOrigin::Alb => {
                assert_eq!(single, multi, "either form, as the target group is set");
                let status = json["statusCode"].to_string();
                let description = json["statusDescription"].as_str().expect("a description");
                assert!(description.starts_with(&status), "{description}");
                (single, Vec::new())
            }
            RequestOrigin::VpcLatticeV2 => (single, Vec::new()),
            other => panic!("a front door that nobody enabled: {other:?}"),
        };
        set_cookie.extend(headers.remove("set-cookie"));
        Self {
            status: u16::try_from(json["statusCode"].as_u64().expect("a number"))
                .expect("a status"),
            headers,
            set_cookie,
            body: json["body"].as_str().unwrap_or_default().to_owned(),
        }
    }

    fn check(mut self, is_head: bool) {
        for (name, value) in SECURITY_HEADERS {
            assert_eq!(
                self.headers.remove(*name).as_deref(),
                Some(*value),
                "{name}"
            );
        }
        let policy = self.headers.remove("content-security-policy");
        let policy = policy.expect("a Content-Security-Policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        let hsts = self.headers.remove("strict-transport-security");
        assert!(
            matches!(hsts.as_deref(), None | Some("max-age=31536000")),
            "{hsts:?}"
        );

        assert!(self.set_cookie.len() <= 1, "{:?}", self.set_cookie);
        let set_cookie = self.set_cookie.pop();
        if let Some(set_cookie) = &set_cookie {
            assert_eq!(
                set_cookie.contains("; Secure"),
                hsts.is_some(),
                "{set_cookie}"
            );
        }
        let secure = if hsts.is_some() { "; Secure" } else { "" };
        let content_type = self.headers.remove("content-type");
        let allow = self.headers.remove("allow");
        let location = self.headers.remove("location");
        let vary = self.headers.remove("vary");
        assert!(
            self.headers.is_empty(),
            "and no other header: {:?}",
            self.headers
        );

        if self.status == 200 {
            assert_eq!(vary.as_deref(), Some("Accept"));
            if is_head {
                assert_eq!(set_cookie, None, "HEAD is no visit");
            } else {
                let set_cookie = set_cookie.as_deref().expect("a visit sets the cookie");
                check_visit(set_cookie, secure, content_type.as_deref(), &self.body);
            }
        } else {
            assert_eq!(vary, None);
            let forget = format!("count=; HttpOnly; SameSite=Lax{secure}; Path=/; Max-Age=0");
            assert_eq!(set_cookie, (self.status == 303).then_some(forget));
        }
        if matches!(self.status, 303 | 308) {
            assert_eq!(content_type, None);
        } else {
            assert!(content_type.is_some());
        }
        if self.status == 303 {
            assert_eq!(location.as_deref(), Some("./"));
        } else {
            assert_eq!(location.is_some(), self.status == 308);
        }
        let allowed = matches!(allow.as_deref(), Some("GET, HEAD" | "POST"));
        assert_eq!(allowed, self.status == 405, "{allow:?}");
        if is_head || matches!(self.status, 303 | 308) {
            assert_eq!(self.body, "", "no body where none may be");
        } else if self.status != 200 {
            check_notice(self.status, &self.body);
        }
    }
}

fn check_visit(set_cookie: &str, secure: &str, content_type: Option<&str>, body: &str) {
    let count = set_cookie
        .strip_prefix("count=")
        .and_then(|rest| rest.split(';').next())
        .and_then(|count| count.parse::<u64>().ok())
        .unwrap_or_else(|| panic!("a count: {set_cookie}"));
    assert!(count > 0, "{set_cookie}");
    assert_eq!(
        set_cookie,
        format!("count={count}; HttpOnly; SameSite=Lax{secure}; Path=/; Max-Age=34560000")
    );
    match content_type {
        Some("application/json") => assert_eq!(body, format!("{{\"count\":{count}}}")),
        Some("text/plain; charset=utf-8") => assert_eq!(body, format!("{count}\n")),
        Some("text/html; charset=utf-8") => {
            assert!(body.len() < MAX_BODY_BYTES, "{} bytes", body.len());
            // Nothing but the number can come from the request, since nothing else goes in here.
            let told = |received| {
                page::visit(
                    received,
                    count.into(),
                    set_cookie,
                    CookieLifetime::default(),
                )
            };
            let is_told = body == told(Received::Count((count - 1).into()))
                || count == u64::MAX && body == told(Received::Count(count.into()))
                || count == 1 && body == told(Received::Nothing)
                || count == 1 && body == told(Received::Malformed);
            assert!(is_told, "a page that no count makes: {body}");
        }
        other => panic!("a form that there is not: {other:?}"),
    }
}

fn check_notice(status: u16, body: &str) {
    let text = match status {
        400 => "The address that was asked for is malformed.",
        403 => "The count is reset by the button on the page, not by another site.",
        404 => "There is nothing at this address.",
        405 => "This address does not answer that method.",
        503 => "A visit counts when somebody opens the page, not when a browser loads it ahead.",
        other => panic!("a status that the counter does not have: {other}"),
    };
    let home = body
        .split_once("<a href=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("", |(home, _)| home);
    assert!(
        home == "./" || (status == 404 && !home.is_empty() && home.replace("../", "").is_empty()),
        "{home:?}"
    );
    let status = StatusCode::from_u16(status).expect("a status");
    assert!(
        body == page::notice(status, text, home),
        "a notice of anything but its text: {body}"
    );
}

fn single_values(headers: &Value) -> BTreeMap<String, String> {
    let headers = headers.as_object().into_iter().flatten();
    headers
        .map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned()))
        .collect()
}

fn multi_values(headers: &Value) -> BTreeMap<String, String> {
    let headers = headers.as_object().into_iter().flatten();
    headers
        .map(|(name, values)| {
            let values = strings(values);
            assert_eq!(values.len(), 1, "{name}: {values:?}");
            (name.clone(), values.concat())
        })
        .collect()
}

fn strings(values: &Value) -> Vec<String> {
    let values = values.as_array().into_iter().flatten();
    values
        .map(|value| value.as_str().expect("a text").to_owned())
        .collect()
}
