//! Decides the answer to a request.

use lambda_http::{
    Body, Request, RequestExt, Response,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    request::RequestContext,
};

use crate::{
    Settings,
    count_cookie::{self, Jar},
    embedding, fetch_metadata, front_door, log,
    negotiation::{self, Representation},
    page::{self, HOME},
    robots,
    route::Route,
    security_headers,
};

/// Answers a request. Every request has an answer, and no answer is an error of the function.
///
/// It can also be the handler of a `lambda_http` function:
///
/// ```no_run
/// # async fn start() -> Result<(), lambda_http::Error> {
/// use page_visit_counter::{Settings, respond};
///
/// let handler = async |request| Ok::<_, String>(respond(&request, &Settings::default()));
/// lambda_http::run(lambda_http::service_fn(handler)).await
/// # }
/// ```
#[must_use]
pub fn respond(request: &Request, settings: &Settings) -> Response<Body> {
    let headers = request.headers();
    let is_https = front_door::is_https(headers);
    let embedder = embedding::listed_origin(headers, &settings.embed_origins);
    let jar = match embedder {
        Some(_) if fetch_metadata::is_cross_site_fetch(headers) => Jar::Partitioned,
        _ => Jar::OwnSite { secure: is_https },
    };
    let mut response = match Route::of(request) {
        Route::Page if embedder.is_some() && embedding::is_preflight(request) => embedding::preflight(headers),
        Route::Page => page(request, settings, embedder, jar),
        Route::Reset => reset(request, jar),
        Route::Forget => forget(request, jar),
        Route::StageWithoutSlash(stage) => stage_without_slash(request, stage),
        Route::Unknown { depth } => not_found(depth),
    };
    security_headers::add(response.headers_mut(), is_https);
    embedding::add_headers(response.headers_mut(), embedder, &settings.embed_origins);
    if request.method() == Method::HEAD {
        *response.body_mut() = Body::Empty;
    }
    response
}

fn page(request: &Request, settings: &Settings, embedder: Option<&HeaderValue>, jar: Jar) -> Response<Body> {
    if let Some(refusal) = refuse_page(request, embedder) {
        return refusal;
    }
    let headers = request.headers();
    let representation = Representation::preferred(headers);
    let is_gzip =
        representation == Representation::Html && negotiation::accepts_gzip(headers) && is_base64_decoded(request);
    let mut response = empty(StatusCode::OK);
    response.headers_mut().insert(header::CONTENT_TYPE, representation.content_type());
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if is_gzip {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if request.method() == Method::HEAD {
        return response;
    }
    let received = count_cookie::read(headers);
    let count = received.next();
    let set_cookie = count_cookie::set(count, settings, jar);
    *response.body_mut() = match representation {
        Representation::Html => {
            let page = page::visit(received, &set_cookie, settings.cookie_days);
            if is_gzip { Body::Binary(page::gzip(&page)) } else { Body::Text(page) }
        }
        Representation::Json => Body::Text(format!("{{\"count\":{count}}}")),
        Representation::Text => Body::Text(format!("{count}\n")),
    };
    if !robots::is_named(headers) {
        log::visit(count, representation, embedder.is_some());
    }
    with_header(response, header::SET_COOKIE, set_cookie)
}

/// Refuses what is not a visit.
fn refuse_page(request: &Request, embedder: Option<&HeaderValue>) -> Option<Response<Body>> {
    let headers = request.headers();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Some(method_not_allowed("GET, HEAD", "This page only accepts GET and HEAD."));
    }
    if fetch_metadata::is_speculative(headers) {
        // With a 200, the browser might show this answer later without asking again, and that visit
        // would be lost. With a 4xx, it loads the page again when the visitor opens it. A 5xx would
        // look like a failure of the function.
        return Some(forbidden("A visit counts when you open the page, not when your browser loads it in advance."));
    }
    if fetch_metadata::is_unseen(headers) {
        return Some(forbidden("This page cannot be shown inside another page."));
    }
    if embedder.is_none() && fetch_metadata::is_cross_origin_fetch(headers) {
        return Some(forbidden("The owner of this counter has not allowed that site to show the count."));
    }
    None
}

/// Whether the front door decodes a Base64 body. With payload 1.0, an HTTP API does, but a REST API only if it is
/// configured for [binary media types](https://docs.aws.amazon.com/apigateway/latest/developerguide/lambda-proxy-binary-media.html),
/// and the event does not say which of them it comes from.
fn is_base64_decoded(request: &Request) -> bool {
    !matches!(request.request_context_ref(), Some(RequestContext::ApiGatewayV1(_)))
}

fn reset(request: &Request, jar: Jar) -> Response<Body> {
    let instead = "To start again at 1, use the button “Reset to 1” on the page.";
    refuse_button(request, instead).unwrap_or_else(|| {
        let home = redirect(StatusCode::SEE_OTHER, HeaderValue::from_static(HOME));
        with_header(home, header::SET_COOKIE, count_cookie::forget(jar))
    })
}

/// Not a redirect to the page, as after a reset: that would be a visit, which sets a new cookie.
fn forget(request: &Request, jar: Jar) -> Response<Body> {
    let instead = "To delete the cookie, use the button “Delete the cookie” on the page.";
    refuse_button(request, instead).unwrap_or_else(|| {
        let set_cookie = count_cookie::forget(jar);
        let page = html(StatusCode::OK, page::forgotten(&set_cookie));
        with_header(page, header::SET_COOKIE, set_cookie)
    })
}

/// Refuses what does not come from a button on the page.
fn refuse_button(request: &Request, instead: &str) -> Option<Response<Body>> {
    if request.method() != Method::POST {
        return Some(method_not_allowed("POST", instead));
    }
    fetch_metadata::is_from_elsewhere(request.headers())
        .then(|| forbidden("Another site tried to change your count. Only the counter’s own buttons can do that."))
}

fn stage_without_slash(request: &Request, stage: &str) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return method_not_allowed("GET, HEAD", "This address only accepts GET and HEAD.");
    }
    let page = HeaderValue::try_from(format!("{stage}/"));
    let page = page.unwrap_or_else(|_| HeaderValue::from_static(HOME));
    redirect(StatusCode::PERMANENT_REDIRECT, page)
}

fn not_found(depth: usize) -> Response<Body> {
    /// No link leads deeper. On a deeper path, the link home is `./`, which is short but does not reach the page.
    const MAX_DEPTH: usize = 16;
    let home = match depth {
        1..=MAX_DEPTH => &"../".repeat(depth),
        _ => HOME,
    };
    notice(StatusCode::NOT_FOUND, "There is nothing at this address.", home)
}

/// `location` is relative, so that it stays inside an API Gateway stage.
fn redirect(status: StatusCode, location: HeaderValue) -> Response<Body> {
    with_header(empty(status), header::LOCATION, location)
}

fn forbidden(text: &str) -> Response<Body> {
    notice(StatusCode::FORBIDDEN, text, HOME)
}

fn method_not_allowed(allow: &'static str, text: &str) -> Response<Body> {
    let notice = notice(StatusCode::METHOD_NOT_ALLOWED, text, HOME);
    with_header(notice, header::ALLOW, HeaderValue::from_static(allow))
}

fn notice(status: StatusCode, text: &str, home: &str) -> Response<Body> {
    html(status, page::notice(status, text, home))
}

fn html(status: StatusCode, page: String) -> Response<Body> {
    let mut response = empty(status);
    *response.body_mut() = Body::Text(page);
    with_header(response, header::CONTENT_TYPE, Representation::Html.content_type())
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

fn with_header(mut response: Response<Body>, name: HeaderName, value: HeaderValue) -> Response<Body> {
    response.headers_mut().insert(name, value);
    response
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        fs,
        future::ready,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use json_patch::merge;
    use lambda_http::{
        Adapter, LambdaEvent, Service, aws_lambda_events::vpc_lattice::VpcLatticeRequestV1, request::LambdaRequest,
        service_fn,
    };
    use pretty_assertions::assert_eq;
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, from_str, from_value, json, to_value};

    use super::*;
    use crate::{Event, FrontDoor, answer};

    /// If AWS changes a format, `lambda_http` will follow, and this test will fail.
    #[test]
    fn behind_lambda_http_it_gives_the_same_answers_as_the_program() {
        let embed = |name: &str| (name == "COUNT_EMBED_ORIGINS").then(|| "https://blog.example.com".to_owned());
        let settings = Settings::read(embed).unwrap();
        let events = fs::read_dir("events").unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
        for event in events.map(|event| from_str(&event).unwrap()).chain(variants()) {
            let ours = answer(Event::deserialize(&event).unwrap(), &settings).unwrap();
            let Ok(theirs) = from_value::<LambdaRequest>(event.clone()) else {
                assert_is_lattice_v1(&event);
                continue;
            };
            let handler = service_fn(|request| ready(Ok::<_, Infallible>(respond(&request, &settings))));
            let theirs = Adapter::from(handler).call(LambdaEvent::new(theirs, lambda_http::Context::default()));
            let Poll::Ready(Ok(theirs)) = pin!(theirs).poll(&mut Context::from_waker(Waker::noop())) else {
                panic!("the answer must be ready at once");
            };
            assert_eq!(json(&ours), json(&theirs), "{event}");
        }
    }

    fn variants() -> impl Iterator<Item = Value> {
        let rest_api = |path, requested| json!({ "path": path, "requestContext": { "path": requested } });
        let payload_1 = |path, stage| json!({ "path": path, "requestContext": { "path": path, "stage": stage } });
        let payload_2 = |path, stage| json!({ "rawPath": path, "requestContext": { "stage": stage } });
        let variants = [
            ("rest_api_return_visit", json!({ "multiValueHeaders": null })),
            ("rest_api_return_visit", rest_api("/", "/Prod")),
            ("rest_api_return_visit", rest_api("/", "/base/")),
            ("rest_api_return_visit", rest_api("/base/", "/base/")),
            ("rest_api_return_visit", rest_api("/Prod/", "/Prod/")),
            ("rest_api_return_visit", rest_api("/reset", "/Prod/reset")),
            ("rest_api_return_visit", payload_1("/", "$default")),
            ("rest_api_return_visit", payload_1("/prod/", "prod")),
            ("rest_api_return_visit", payload_1("/prod", "prod")),
            ("http_api_return_visit", payload_2("/prod", "prod")),
            ("http_api_return_visit", payload_2("/", "prod")),
            ("alb_return_visit", json!({ "httpMethod": "HEAD" })),
            ("vpc_lattice_return_visit", json!({ "path": "/reset", "method": "POST" })),
        ];
        variants.into_iter().map(|(name, difference)| {
            let mut event = from_str(&fs::read_to_string(format!("events/{name}.json")).unwrap()).unwrap();
            merge(&mut event, &difference);
            event
        })
    }

    /// `lambda_http` does not accept this event, but `aws_lambda_events` has its type.
    fn assert_is_lattice_v1(event: &Value) {
        let theirs: VpcLatticeRequestV1 = from_value(event.clone()).unwrap();
        let Event::Request(ours, FrontDoor::Lattice) = Event::deserialize(event).unwrap() else { panic!("{event}") };
        assert_eq!(Some(ours.method()), theirs.method.as_ref());
        assert_eq!(Some(ours.raw_http_path()), theirs.raw_path.as_deref());
        assert_eq!(ours.headers()["cookie"], theirs.headers["cookie"]);
    }

    /// An answer without empty maps and an empty body, whose coding means nothing.
    fn json(answer: &impl Serialize) -> Value {
        let mut answer = to_value(answer).unwrap();
        let fields = answer.as_object_mut().unwrap();
        fields.retain(|_, value| !matches!(value.to_string().as_str(), "null" | "\"\"" | "{}"));
        if !fields.contains_key("body") {
            fields.remove("isBase64Encoded");
        }
        answer
    }
}
