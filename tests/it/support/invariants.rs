//! What holds for every answer, whatever the event: one check for the fuzzer and for the tests.
//!
//! It knows nothing of what the answer should be (`tests/model.rs` does), only what it must not be:
//! a panic, a failure, a page with bytes of the request, a second or malformed cookie.

use std::{
    collections::BTreeMap,
    io::Read,
    pin::pin,
    task::{Context as TaskContext, Poll, Waker},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::read::GzDecoder;
use lambda_http::{
    Context, LambdaEvent, Service,
    request::{LambdaRequest, RequestOrigin},
};
use page_visit_counter::{CookieLifetime, Event, Settings, count_cookie::Received, function, page};
use serde::Deserialize;
use serde_json::{Deserializer, Value};

/// No answer is longer; the front doors' own limit is a hundred times that.
const MAX_BODY_BYTES: usize = 10 * 1024;

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
pub(crate) fn check(event: &[u8]) {
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
            return;
        }
    };
    let is_head = method(&payload) == "HEAD";
    Answer::to(payload, Settings::default()).check(is_head);
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
fn serve(payload: LambdaRequest, settings: Settings) -> Vec<u8> {
    let mut service = function::service(settings);
    let future = service.call(LambdaEvent::new(payload.into(), Context::default()));
    let Poll::Ready(Ok(answer)) = pin!(future).poll(&mut TaskContext::from_waker(Waker::noop()))
    else {
        panic!("the answer is there at once: nothing in it waits");
    };
    serde_json::to_vec(&answer).expect("an answer is JSON")
}

/// A compressed page, as a client decompresses it.
pub(crate) fn decompress(gzip: &[u8]) -> String {
    let mut page = String::new();
    GzDecoder::new(gzip)
        .read_to_string(&mut page)
        .expect("gzip of UTF-8");
    page
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
    pub(crate) fn to(payload: LambdaRequest, settings: Settings) -> Self {
        let origin = payload.request_origin();
        Self::read(&origin, &serve(payload, settings))
    }

    fn read(origin: &RequestOrigin, json: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(json).expect("an answer is JSON");
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
        let body = json["body"].as_str().unwrap_or_default();
        let body = if json["isBase64Encoded"] == true {
            assert_eq!(headers["content-encoding"], "gzip");
            decompress(&BASE64_STANDARD.decode(body).expect("Base64"))
        } else {
            body.to_owned()
        };
        Self {
            status: u16::try_from(json["statusCode"].as_u64().expect("a number"))
                .expect("a status"),
            headers,
            set_cookie,
            body,
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
        let encoding = self.headers.remove("content-encoding");
        assert!(matches!(encoding.as_deref(), None | Some("gzip")));
        assert!(encoding.is_none() || self.status == 200);
        assert!(
            self.headers.is_empty(),
            "and no other header: {:?}",
            self.headers
        );

        if self.status == 200 {
            assert_eq!(vary.as_deref(), Some("Accept, Accept-Encoding"));
            if is_head {
                assert_eq!(set_cookie, None, "HEAD is not a visit");
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
            let told = |received| page::visit(received, set_cookie, CookieLifetime::default());
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
    let (_, rest) = body.split_once("<a href=\"").expect("a link to the page");
    let (home, _) = rest.split_once('"').expect("the link ends");
    assert!(
        home == "./" || (status == 404 && !home.is_empty() && home.replace("../", "").is_empty()),
        "{home:?}"
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
