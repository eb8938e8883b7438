//! The Lambda function: events in, answers out.

use std::{
    convert::Infallible,
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
};

use lambda_http::{
    Adapter, Body, Context, Error, IntoResponse, LambdaEvent, Request, Response, Service,
    TransformResponse,
    http::{HeaderMap, Method},
    request::{LambdaRequest, RequestOrigin},
    service_fn,
};
use lambda_runtime::Runtime;
use serde::Serialize;

use crate::{
    CookieLifetime,
    event::Event,
    log,
    respond::{refuse_malformed_url, respond},
    scheme,
};

/// Answers events from the Lambda Runtime API until the environment is shut down.
///
/// Serves one event at a time, or as many as `AWS_LAMBDA_MAX_CONCURRENCY` says on
/// [Lambda Managed Instances](https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances.html).
///
/// # Errors
///
/// If the Runtime API cannot be reached, or answers what no Runtime API does. Lambda expects the
/// process to end then, and starts another.
pub async fn run(lifetime: CookieLifetime) -> Result<(), Error> {
    Runtime::new(service(lifetime)).run_concurrent().await
}

/// The service behind the Runtime API: raw events of any front door in, their raw answers out.
#[must_use]
pub fn service(
    lifetime: CookieLifetime,
) -> impl Service<LambdaEvent<Event>, Response = impl Serialize, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    let mut counter = Adapter::from(service_fn(move |request: Request| async move {
        Ok(Answer(respond(&request, lifetime)))
    }));
    service_fn(move |event: LambdaEvent<Event>| {
        let (event, context) = event.into_parts();
        let event = LambdaRequest::from(event);
        let refusal = Refusal::of(&event);
        let event = LambdaEvent::new(event, context);
        // lambda_http panics while it makes a request of an event whose URL is none: a raw quote in
        // the query, a host that is no host. Anybody can send that, so it must not look like a
        // failure of the function. `respond` runs later, when the future is polled: a panic of its
        // own is still reported as one.
        log::without_panics(|| catch_unwind(AssertUnwindSafe(|| counter.call(event))))
            .unwrap_or_else(|_| {
                log::bad_request();
                refusal.call()
            })
    })
}

/// An answer that is ready to leave. `lambda_http`'s own conversion of a `Response` clones the headers,
/// decodes the body by its charset and copies it, all for nothing here.
struct Answer(Response<Body>);

impl IntoResponse for Answer {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(ready(self.0))
    }
}

/// What the answer to an event depends on that no request can be made of.
struct Refusal {
    origin: RequestOrigin,
    is_head: bool,
    is_https: bool,
}

impl Refusal {
    fn of(event: &LambdaRequest) -> Self {
        // A load balancer fills one of the two, as its target group is set.
        let either = |headers, multi_value_headers| {
            if HeaderMap::is_empty(headers) {
                multi_value_headers
            } else {
                headers
            }
        };
        let (method, headers) = match event {
            LambdaRequest::ApiGatewayV1(event) => (
                Some(&event.http_method),
                either(&event.headers, &event.multi_value_headers),
            ),
            LambdaRequest::ApiGatewayV2(event) => {
                (Some(&event.request_context.http.method), &event.headers)
            }
            LambdaRequest::Alb(event) => (
                Some(&event.http_method),
                either(&event.headers, &event.multi_value_headers),
            ),
            LambdaRequest::VpcLatticeV2(event) => (event.method.as_ref(), &event.headers),
            _ => unreachable!("no other kind of event is enabled"),
        };
        Self {
            origin: event.request_origin(),
            is_head: method == Some(&Method::HEAD),
            is_https: scheme::is_https(headers),
        }
    }

    /// Answers an event of the same front door that says nothing, so that the refusal takes the form
    /// that this door expects.
    fn call(self) -> TransformResponse<'static, Answer, Infallible> {
        let event = match self.origin {
            RequestOrigin::ApiGatewayV1 => LambdaRequest::ApiGatewayV1(Default::default()),
            RequestOrigin::Alb => LambdaRequest::Alb(Default::default()),
            RequestOrigin::VpcLatticeV2 => LambdaRequest::VpcLatticeV2(Default::default()),
            // Function URLs and HTTP APIs; the enum is open, but no other feature is enabled.
            _ => LambdaRequest::ApiGatewayV2(Default::default()),
        };
        let Self {
            is_head, is_https, ..
        } = self;
        Adapter::from(service_fn(move |_: Request| async move {
            Ok(Answer(refuse_malformed_url(is_head, is_https)))
        }))
        .call(LambdaEvent::new(event, Context::default()))
    }
}
