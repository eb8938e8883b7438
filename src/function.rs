//! The Lambda function: events in, answers out.

use std::{convert::Infallible, future::ready, sync::Arc};

use lambda_http::{
    Error, LambdaEvent, Request, RequestExt, Service, TransformResponse,
    http::{HeaderMap, HeaderValue, Method, header},
    request::{LambdaRequest, RequestContext},
    service_fn,
};
use lambda_runtime::Runtime;
use serde::Serialize;

use crate::{Settings, event::Event, log, respond};

/// Answers events from the Lambda Runtime API until the environment is shut down.
///
/// Serves one event at a time, or as many as `AWS_LAMBDA_MAX_CONCURRENCY` says on
/// [Lambda Managed Instances](https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances.html).
///
/// # Errors
///
/// If the Runtime API cannot be reached, or its answer is invalid. Lambda then expects the process to end,
/// and starts another.
pub async fn run(settings: Settings) -> Result<(), Error> {
    let runtime = Runtime::new(service(settings));
    log::started();
    runtime.run_concurrent().await
}

/// The service behind the Runtime API: takes raw events from any front door, and returns raw answers.
//
// `lambda_http::run` would need less code here, but it builds a URL from host, path and query, panics if the
// URL is malformed (aws-lambda-rust-runtime issue 515), and drops all but one `Cookie` line of a REST event.
// The counter needs no URL. `LambdaRequest`, `TransformResponse` and related types are `#[doc(hidden)]`, but
// no documented API reads an event or writes an answer without building a URL. Cargo.lock pins their version,
// and tests/it/events.rs compares whole answers.
#[must_use]
pub fn service(
    settings: Settings,
) -> impl Service<LambdaEvent<Event>, Response = impl Serialize, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    let settings = Arc::new(settings);
    service_fn(move |event: LambdaEvent<Event>| {
        let event = LambdaRequest::from(event.payload);
        let front_door = event.request_origin();
        let response = respond(&request(event), &settings);
        // `&str` is the type that `lambda_http` would build a response from; this response is complete. With
        // `Response<Body>` it would build another, and link in the tables of every charset.
        TransformResponse::<&str, _>::Response(front_door, Box::pin(ready(response)))
    })
}

/// The parts of an event that the counter reads: method, path as delivered, stage and headers.
fn request(event: LambdaRequest) -> Request {
    let (method, path, headers, context) = match event {
        LambdaRequest::ApiGatewayV2(event) => (
            event.request_context.http.method.clone(),
            event.raw_path,
            with_cookies(event.headers, event.cookies.unwrap_or_default()),
            RequestContext::ApiGatewayV2(event.request_context),
        ),
        LambdaRequest::ApiGatewayV1(event) => (
            event.http_method,
            event.path,
            every_line(event.multi_value_headers, event.headers),
            RequestContext::ApiGatewayV1(event.request_context),
        ),
        LambdaRequest::Alb(event) => (
            event.http_method,
            event.path,
            every_line(event.multi_value_headers, event.headers),
            RequestContext::Alb(event.request_context),
        ),
        LambdaRequest::VpcLatticeV2(event) => (
            event.method.unwrap_or(Method::GET),
            event.path,
            event.headers,
            RequestContext::VpcLattice(event.request_context),
        ),
        _ => unreachable!("Cargo.toml enables no other front door"),
    };
    let mut request = Request::default()
        .with_raw_http_path(path.unwrap_or_default())
        .with_request_context(context);
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    request
}

/// Adds the cookies, which payload 2.0 delivers separately. One that is not a valid header value is left out.
fn with_cookies(mut headers: HeaderMap, cookies: Vec<String>) -> HeaderMap {
    for cookie in cookies {
        if let Ok(line) = HeaderValue::try_from(cookie) {
            headers.append(header::COOKIE, line);
        }
    }
    headers
}

/// Every line of every header. A REST API fills both maps, but `single` only with the last line of each
/// header. A load balancer fills one of the two, as its target group is set.
fn every_line(all: HeaderMap, single: HeaderMap) -> HeaderMap {
    if all.is_empty() { single } else { all }
}
