//! The Lambda function: events in, answers out.

use std::{
    convert::Infallible,
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
};

use lambda_http::{
    Adapter, Body, Context, Error, IntoResponse, LambdaEvent, Request, Response, Service,
    lambda_runtime::Runtime,
    request::{LambdaRequest, RequestOrigin},
    service_fn,
};
use serde::Serialize;

use crate::{CookieLifetime, log, refuse_malformed_url, respond};

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
) -> impl Service<
    LambdaEvent<LambdaRequest>,
    Response = impl Serialize,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static {
    let mut counter = Adapter::from(service_fn(move |request: Request| async move {
        Ok(Answer(respond(&request, lifetime)))
    }));
    let mut refusal = Adapter::from(service_fn(|_: Request| async {
        Ok(Answer(refuse_malformed_url()))
    }));
    service_fn(move |event: LambdaEvent<LambdaRequest>| {
        let origin = event.payload.request_origin();
        // lambda_http panics while it makes a request of an event whose URL is none: a raw quote in
        // the query, a host that is no host. Anybody can send that, so it must not look like a
        // failure of the function. `respond` runs later, when the future is polled: a panic of its
        // own is still reported as one.
        log::without_panics(|| catch_unwind(AssertUnwindSafe(|| counter.call(event))))
            .unwrap_or_else(|_| {
                log::bad_request();
                let event = LambdaEvent::new(empty_event(&origin), Context::default());
                refusal.call(event)
            })
    })
}

/// An answer that is ready to leave. `lambda_http`'s own conversion of a `Response` clones the headers,
/// decodes the body by its charset and copies it, which is most of the work of a visit.
struct Answer(Response<Body>);

impl IntoResponse for Answer {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(ready(self.0))
    }
}

/// An event of the same front door that says nothing, to have the refusal take that door's form.
fn empty_event(origin: &RequestOrigin) -> LambdaRequest {
    match origin {
        RequestOrigin::ApiGatewayV1 => LambdaRequest::ApiGatewayV1(Default::default()),
        RequestOrigin::Alb => LambdaRequest::Alb(Default::default()),
        RequestOrigin::VpcLatticeV2 => LambdaRequest::VpcLatticeV2(Default::default()),
        // Function URLs and HTTP APIs; the enum is open, but no other feature is enabled.
        _ => LambdaRequest::ApiGatewayV2(Default::default()),
    }
}
