//! Checks what is true of every answer, whatever the event is. The tests and the fuzzer share it.

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
use page_visit_counter::{Event, Settings, function};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Deserializer, Value, json};
use sha2::{Digest, Sha256};

/// No answer is longer. The front doors' own limits are at least a hundred times higher.
const MAX_BODY_BYTES: usize = 10_000;

/// Sends the bytes of an event through the function as Lambda does, and checks the answer.
///
/// # Panics
///
/// If the answer breaks a promise, or if an event in the shape of a front door's gets no answer.
pub(crate) fn check(event: &[u8]) {
    for origins in ["", "https://blog.example.com"] {
        let settings = Settings {
            embed_origins: origins.parse().expect("origins"),
            ..Settings::default()
        };
        match parse(event) {
            Ok(payload) => drop(Answer::to(payload, &settings)),
            Err(error) => check_error(&error, event),
        }
    }
}

fn check_error(error: &serde_json::Error, event: &[u8]) {
    let message = error.to_string();
    assert!(
        error.is_syntax() || error.is_eof() || message.contains("Function URLs"),
        "an error that says what was expected: {message}"
    );
    if let Ok(mut event) = Value::deserialize(&mut Deserializer::from_slice(event)) {
        empty(&mut event);
        let shape = event.to_string();
        assert!(parse(shape.as_bytes()).is_err(), "the strings in {shape}");
    }
}

/// Reduces an event to its shape, without anything that a stranger can put into it.
fn empty(event: &mut Value) {
    match event {
        Value::String(text) => text.clear(),
        Value::Object(fields) => {
            for (name, value) in fields {
                if matches!(&**name, "headers" | "multiValueHeaders") && value.is_object() {
                    *value = json!({});
                }
                empty(value);
            }
        }
        _ => {}
    }
}

/// Reads an event as `lambda_runtime` does, which ignores what follows the first JSON value.
pub(crate) fn parse(event: &[u8]) -> serde_json::Result<LambdaRequest> {
    Event::deserialize(&mut Deserializer::from_slice(event)).map(LambdaRequest::from)
}

/// An answer, in the same form for every front door.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Without `Set-Cookie` and the headers that every answer has.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) set_cookie: Option<String>,
    /// Decompressed.
    pub(crate) body: String,
    pub(crate) is_https: bool,
}

impl Answer {
    /// Returns the answer to an event, and checks that it breaks no promise.
    pub(crate) fn to(payload: LambdaRequest, settings: &Settings) -> Self {
        let origin = payload.request_origin();
        let is_head = method(&payload) == "HEAD";
        let mut service = function::service(settings.clone());
        let answer = service.call(LambdaEvent::new(payload.into(), Context::default()));
        let Poll::Ready(Ok(answer)) =
            pin!(answer).poll(&mut TaskContext::from_waker(Waker::noop()))
        else {
            panic!("the answer must be ready at once");
        };
        let json = serde_json::to_value(&answer).expect("an answer is JSON");
        let answer = Self::read(&origin, &json);
        answer.check(is_head, settings);
        answer
    }

    /// Reads an answer in the form that its front door expects.
    fn read(origin: &RequestOrigin, json: &Value) -> Self {
        let single: BTreeMap<String, String> = texts(&json["headers"]);
        let multi: BTreeMap<String, [String; 1]> = texts(&json["multiValueHeaders"]);
        let multi = multi.into_iter().map(|(name, [value])| (name, value));
        let multi: BTreeMap<_, _> = multi.collect();
        let cookies = json["cookies"].as_array().map_or(&[][..], Vec::as_slice);
        let mut headers = match origin {
            RequestOrigin::ApiGatewayV2 => {
                assert!(
                    !single.contains_key("set-cookie") && multi.is_empty(),
                    "{json}"
                );
                single
            }
            RequestOrigin::ApiGatewayV1 => {
                assert!(single.is_empty(), "{json}");
                multi
            }
            RequestOrigin::Alb => {
                assert_eq!(single, multi, "the target group's settings choose the form");
                let description = json["statusDescription"].as_str().expect("a description");
                assert!(
                    description.starts_with(&json["statusCode"].to_string()),
                    "{json}"
                );
                single
            }
            _ => single,
        };
        let body = json["body"].as_str().unwrap_or_default();
        let body = if json["isBase64Encoded"] == true {
            let decodes = !matches!(origin, RequestOrigin::ApiGatewayV1);
            assert!(decodes, "a REST API does not decode Base64");
            assert_eq!(headers["content-encoding"], "gzip");
            let gzip = BASE64_STANDARD.decode(body).expect("Base64");
            let mut page = String::new();
            GzDecoder::new(&*gzip)
                .read_to_string(&mut page)
                .expect("gzip of UTF-8");
            page
        } else {
            body.to_owned()
        };
        let set_cookie = match cookies {
            [] => headers.remove("set-cookie"),
            [cookie] => cookie.as_str().map(str::to_owned),
            _ => panic!("more than one cookie: {json}"),
        };
        let mut take = |name| headers.remove(name);
        for (name, value) in [
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(take(name).as_deref(), Some(value), "{name}");
        }
        check_policy(&take("content-security-policy").expect("a policy"), &body);
        let transport = take("strict-transport-security");
        assert!(matches!(
            transport.as_deref(),
            None | Some("max-age=31536000")
        ));
        Self {
            status: json["statusCode"]
                .as_u64()
                .and_then(|it| it.try_into().ok())
                .expect("a status"),
            headers,
            set_cookie,
            body,
            is_https: transport.is_some(),
        }
    }

    fn check(&self, is_head: bool, settings: &Settings) {
        let header = |name| self.headers.get(name).map(String::as_str);
        let content_type = header("content-type");
        let is_visit = self.status == 200 && header("vary").is_some_and(|it| it.contains("Accept"));

        match &self.set_cookie {
            Some(cookie) => {
                let (pair, attributes) = cookie.split_once("; ").expect("attributes");
                let secure = if self.is_https { "; Secure" } else { "" };
                let jar = match header("access-control-allow-origin") {
                    Some(_) if attributes.contains("None") => "SameSite=None; Partitioned; Secure",
                    _ => &format!("SameSite=Lax{secure}"),
                };
                let lifetime = if is_visit { 34_560_000 } else { 0 };
                assert_eq!(
                    attributes,
                    format!("HttpOnly; {jar}; Path=/; Max-Age={lifetime}")
                );
                let count = pair.strip_prefix("count=").expect("our cookie");
                match (is_visit, content_type) {
                    (false, _) => assert_eq!(count, ""),
                    (true, Some("application/json")) => {
                        assert_eq!(self.body, format!("{{\"count\":{count}}}"));
                    }
                    (true, Some("text/plain; charset=utf-8")) => {
                        assert_eq!(self.body, format!("{count}\n"));
                    }
                    (true, _) => assert!(self.body.contains(&format!(">{count}</b></h1>"))),
                }
                assert!(!is_visit || count.parse::<u64>().is_ok_and(|count| count > 0));
                assert!(!is_head, "HEAD is not a visit");
            }
            None => assert!(!is_visit || is_head, "a visit sets the cookie"),
        }

        assert_eq!(
            header("location").is_some(),
            matches!(self.status, 303 | 308)
        );
        assert_eq!(header("allow").is_some(), self.status == 405);
        assert_eq!(
            self.body.is_empty(),
            is_head || matches!(self.status, 204 | 303 | 308)
        );
        assert_eq!(
            content_type.is_none(),
            matches!(self.status, 204 | 303 | 308)
        );
        assert!(is_visit || header("content-encoding").is_none());
        assert!(
            self.body.len() < MAX_BODY_BYTES,
            "{} bytes",
            self.body.len()
        );
        let varies = header("vary").is_some_and(|it| it.ends_with("Origin"));
        assert_eq!(varies, !settings.embed_origins.is_empty());
    }
}

fn method(payload: &LambdaRequest) -> &str {
    match payload {
        LambdaRequest::ApiGatewayV1(event) => event.http_method.as_str(),
        LambdaRequest::ApiGatewayV2(event) => event.request_context.http.method.as_str(),
        LambdaRequest::Alb(event) => event.http_method.as_str(),
        LambdaRequest::VpcLatticeV2(event) => event.method.as_ref().map_or("GET", |it| it.as_str()),
        other => panic!("a front door that Cargo.toml does not enable: {other:?}"),
    }
}

/// Checks that the policy has the promised directives and permits the body's style
/// (<https://www.w3.org/TR/CSP3/#match-element-to-source-list>).
fn check_policy(policy: &str, body: &str) {
    let styles = policy
        .strip_prefix("default-src 'none'; style-src ")
        .and_then(|rest| {
            rest.strip_suffix(
                "; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            )
        })
        .unwrap_or_else(|| panic!("not the promised policy: {policy}"));
    assert!(
        styles.split(' ').all(|style| style.starts_with("'sha256-")),
        "{styles}"
    );
    if let Some((_, rest)) = body.split_once("<style>") {
        let (style, _) = rest.split_once("</style>").expect("the style ends");
        let hash = BASE64_STANDARD.encode(Sha256::digest(style));
        assert!(
            styles.contains(&format!("'sha256-{hash}'")),
            "{hash} in {styles}"
        );
    }
}

fn texts<T: DeserializeOwned + Default>(headers: &Value) -> T {
    let headers = Option::<T>::deserialize(headers).expect("one text for each header");
    headers.unwrap_or_default()
}
