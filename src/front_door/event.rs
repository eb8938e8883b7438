//! What a front door delivers: an event, of which the counter reads method, path, stage, headers and cookies.
//
// `lambda_http::run` would need less code, but it refuses an event for a single header that HTTP does not permit
// (aws-lambda-rust-runtime issue 786) and for an unexpected value in a field that nobody reads. It also builds a
// URL from host, path and query, and panics if the URL is malformed (issue 515).

use std::collections::BTreeMap;

use lambda_http::{
    Request, RequestExt,
    aws_lambda_events::apigw::{ApiGatewayProxyRequestContext, ApiGatewayV2httpRequestContext},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    request::RequestContext,
};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::Value;

use super::FrontDoor;

/// An event from Lambda.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "almost every event is a request")]
pub enum Event {
    /// A request, and the front door that it came through.
    Request(Request, FrontDoor),
    /// An event from anything but a front door.
    Other,
}

/// Never fails: `lambda_runtime` would report the error in words of its own, and without the request's id.
impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer).ok();
        Ok(fields.and_then(Fields::request).unwrap_or(Self::Other))
    }
}

/// The fields that the counter reads, of all front doors.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    cookies: Option<Vec<Value>>,
    headers: Option<BTreeMap<String, Value>>,
    http_method: Option<String>,
    /// Of VPC Lattice's event structure version 1.
    #[serde(rename = "raw_path")]
    lattice_path: Option<String>,
    method: Option<String>,
    multi_value_headers: Option<BTreeMap<String, Value>>,
    path: Option<String>,
    raw_path: Option<String>,
    request_context: Option<Context>,
}

#[derive(Deserialize)]
struct Context {
    elb: Option<IgnoredAny>,
    http: Option<Http>,
    path: Option<String>,
    stage: Option<String>,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

impl Fields {
    fn request(self) -> Option<Event> {
        let mut request = Request::default();
        let (front_door, method, path) = match self.request_context {
            // VPC Lattice's event structure version 1.
            None => (FrontDoor::Lattice, self.method?, self.lattice_path?),
            Some(Context { http: Some(http), stage, .. }) => {
                let mut context = ApiGatewayV2httpRequestContext::default();
                context.stage = stage;
                request = request.with_request_context(RequestContext::ApiGatewayV2(context));
                (FrontDoor::Payload2, http.method, self.raw_path?)
            }
            Some(_) if self.method.is_some() => (FrontDoor::Lattice, self.method?, self.path?),
            Some(Context { elb: Some(_), .. }) => (FrontDoor::LoadBalancer, self.http_method?, self.path?),
            Some(Context { path, stage, .. }) => {
                let mut context = ApiGatewayProxyRequestContext::default();
                (context.path, context.stage) = (path, stage);
                request = request.with_request_context(RequestContext::ApiGatewayV1(context));
                (FrontDoor::Payload1, self.http_method?, self.path?)
            }
        };
        // An invalid method becomes one that no resource accepts, and the answer is 405.
        *request.method_mut() = method.parse().unwrap_or(Method::TRACE);
        // Payload 1.0 fills both maps, but `headers` only with the last line of each header. A load balancer fills one
        // of the two: its target group's settings choose which.
        let every_line = self.multi_value_headers.filter(|lines| !lines.is_empty());
        let lines = every_line.or(self.headers).unwrap_or_default();
        for cookie in self.cookies.into_iter().flatten() {
            append(request.headers_mut(), &header::COOKIE, cookie);
        }
        append_all(request.headers_mut(), lines);
        Some(Event::Request(request.with_raw_http_path(path), front_door))
    }
}

/// Adds the lines of each header: one text, or a list of texts. Front doors pass on whatever a scanner sends, so a line
/// that is not text, or that is invalid in HTTP
/// ([RFC 9110, section 5.5](https://www.rfc-editor.org/rfc/rfc9110#section-5.5)), is dropped, and the others are kept.
fn append_all(headers: &mut HeaderMap, lines: BTreeMap<String, Value>) {
    for (name, lines) in lines {
        let Ok(name) = HeaderName::try_from(name) else {
            continue;
        };
        match lines {
            Value::Array(lines) => lines.into_iter().for_each(|line| append(headers, &name, line)),
            line => append(headers, &name, line),
        }
    }
}

fn append(headers: &mut HeaderMap, name: &HeaderName, line: Value) {
    if let Value::String(line) = line
        && let Ok(line) = HeaderValue::try_from(line)
    {
        // Fails beyond 24,576 headers, many more than any front door accepts.
        headers.try_append(name, line).ok();
    }
}
