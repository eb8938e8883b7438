//! What a front door delivers: an event, of which the counter reads method, path, stage, headers and cookies.
//
// `lambda_http::run` would need less code, but it refuses an event for a single header that HTTP does not permit
// (aws-lambda-rust-runtime issue 786) and for an unexpected value in a field that nobody reads. It also builds a
// URL from host, path and query, and panics if the URL is malformed (issue 515).

use std::collections::BTreeMap;

use lambda_http::{
    Request, RequestExt,
    aws_lambda_events::apigw::ApiGatewayV2httpRequestContext,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    request::RequestContext,
};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::Value;

/// Who delivers an event, and expects the answer in a certain form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FrontDoor {
    /// A Function URL or an HTTP API (payload 2.0).
    HttpApi,
    /// A REST API (payload 1.0).
    RestApi,
    /// An Application Load Balancer.
    LoadBalancer,
    /// VPC Lattice.
    Lattice,
}

/// An event from Lambda: a request and the front door that it came through, unless it is something else.
#[derive(Debug)]
pub struct Event(pub(crate) Option<(Request, FrontDoor)>);

/// Never fails: `lambda_runtime` would report the error in words of its own, and without the request's id.
impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer).ok();
        Ok(Self(fields.and_then(Fields::request)))
    }
}

/// The fields that the counter reads, of all front doors.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    cookies: Option<Vec<Value>>,
    headers: Option<BTreeMap<String, Value>>,
    http_method: Option<String>,
    method: Option<String>,
    multi_value_headers: Option<BTreeMap<String, Value>>,
    path: Option<String>,
    raw_path: Option<String>,
    request_context: Context,
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
    fn request(self) -> Option<(Request, FrontDoor)> {
        let context = self.request_context;
        let (front_door, method, path) = if let Some(http) = context.http {
            (FrontDoor::HttpApi, http.method, self.raw_path?)
        } else if let Some(method) = self.method {
            (FrontDoor::Lattice, method, self.path?)
        } else if context.elb.is_some() {
            (FrontDoor::LoadBalancer, self.http_method?, self.path?)
        } else {
            let path = with_stage(self.path?, context.stage.as_deref(), context.path.as_deref());
            (FrontDoor::RestApi, self.http_method?, path)
        };
        // A REST API fills both maps, but `headers` only with the last line of each header. A load balancer fills
        // one of the two: its target group's settings choose which.
        let every_line = self.multi_value_headers.filter(|lines| !lines.is_empty());
        let lines = every_line.or(self.headers).unwrap_or_default();
        let mut headers = HeaderMap::new();
        for cookie in self.cookies.into_iter().flatten() {
            append(&mut headers, &header::COOKIE, cookie);
        }
        append_all(&mut headers, lines);
        if front_door == FrontDoor::RestApi {
            // A REST API does not decode a Base64 body unless it is configured for binary media types
            // (https://docs.aws.amazon.com/apigateway/latest/developerguide/lambda-proxy-binary-media.html).
            headers.remove(header::ACCEPT_ENCODING);
        }

        let mut request = Request::default().with_raw_http_path(path);
        // A method that is not a token gets the same answer as one that no resource has.
        *request.method_mut() = method.parse().unwrap_or(Method::TRACE);
        *request.headers_mut() = headers;
        let mut with_stage = ApiGatewayV2httpRequestContext::default();
        with_stage.stage = context.stage;
        let context = RequestContext::ApiGatewayV2(with_stage);
        Some((request.with_request_context(context), front_door))
    }
}

/// The path with its stage, as an HTTP API delivers it. A REST API delivers the path without the stage, and
/// separately the path as requested, which shows whether a slash follows the stage.
fn with_stage(path: String, stage: Option<&str>, requested: Option<&str>) -> String {
    let Some(stage) = stage else { return path };
    match requested.and_then(|requested| requested.strip_prefix('/')) {
        Some(requested) if path == "/" && requested == stage => format!("/{stage}"),
        _ => format!("/{stage}{path}"),
    }
}

/// Adds the lines of each header: one text, or a list of texts. Front doors pass on whatever a scanner sends, so a line
/// that is not text, or that HTTP does not permit
/// ([RFC 9110, section 5.5](https://www.rfc-editor.org/rfc/rfc9110#section-5.5)), is left out, and the others are kept.
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

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        fs,
        future::ready,
        pin::pin,
        task::{Context as TaskContext, Poll, Waker},
    };

    use lambda_http::{
        TransformResponse,
        request::{LambdaRequest, RequestOrigin},
    };

    use super::*;
    use crate::{Answer, Settings, respond};

    /// If AWS changes a format, `lambda_http` will follow, and this test will fail.
    #[test]
    fn events_are_read_and_answers_written_as_lambda_http_does() {
        for file in fs::read_dir("events").unwrap() {
            let name = file.unwrap().path();
            let event = fs::read_to_string(&name).unwrap();
            let Event(ours) = serde_json::from_str(&event).unwrap();
            let (ours, front_door) = ours.expect("a request");
            let theirs: LambdaRequest = serde_json::from_str(&event).unwrap();
            let origin = theirs.request_origin();
            let expected = match origin {
                RequestOrigin::ApiGatewayV2 => FrontDoor::HttpApi,
                RequestOrigin::ApiGatewayV1 => FrontDoor::RestApi,
                RequestOrigin::Alb => FrontDoor::LoadBalancer,
                _ => FrontDoor::Lattice,
            };
            assert_eq!(front_door, expected, "{}", name.display());

            let mut theirs = Request::from(theirs);
            if front_door == FrontDoor::RestApi {
                theirs.headers_mut().remove(header::ACCEPT_ENCODING);
            }
            assert_eq!(ours.method(), theirs.method(), "{}", name.display());
            assert_eq!(ours.raw_http_path(), theirs.uri().path(), "{}", name.display());
            assert_eq!(lines(&ours), lines(&theirs), "{}", name.display());

            let settings = Settings::default();
            let answer = Answer::new(respond(&ours, &settings), front_door);
            let theirs = Box::pin(ready(respond(&ours, &settings)));
            let theirs = TransformResponse::<&str, Infallible>::Response(origin, theirs);
            let Poll::Ready(Ok(theirs)) = pin!(theirs).poll(&mut TaskContext::from_waker(Waker::noop())) else {
                panic!("the answer must be ready at once");
            };
            assert_eq!(json(&answer), json(&theirs), "{}", name.display());
        }
    }

    /// The lines of each header. `lambda_http` joins the cookies of payload 2.0.
    fn lines(request: &Request) -> BTreeMap<&str, String> {
        let lines = request.headers().keys().map(|name| {
            let lines = request.headers().get_all(name).iter();
            let lines: Vec<_> = lines.map(|line| line.to_str().unwrap()).collect();
            (name.as_str(), lines.join("; "))
        });
        lines.collect()
    }

    /// An answer without empty maps, which a reader may do without.
    fn json(answer: &impl serde::Serialize) -> Value {
        let mut answer = serde_json::to_value(answer).unwrap();
        let is_empty = |value: &Value| matches!(value.to_string().as_str(), "null" | "{}");
        answer.as_object_mut().unwrap().retain(|_, value| !is_empty(value));
        answer
    }
}
