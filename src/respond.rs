//! From a request to its answer.

use lambda_http::{
    Body, Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};

use crate::{
    CookieLifetime, count_cookie, log, page,
    representation::Representation,
    route::Route,
    scheme, security_headers, speculation,
};

/// Answers a request. Every request has an answer, and no answer is an error of the function.
#[must_use]
pub fn respond(request: &Request, lifetime: CookieLifetime) -> Response<Body> {
    let headers = request.headers();
    let https = scheme::is_https(headers);
    let response = match (Route::of(request), request.method()) {
        (Route::Page, &Method::GET | &Method::HEAD) if speculation::is_speculative(headers) => {
            log::prefetch();
            prefetch()
        }
        (Route::Page, &Method::GET) => visit(headers, lifetime, https),
        (Route::Page, &Method::HEAD) => visit_headers(headers),
        (Route::Reset, &Method::POST) if is_cross_site(headers) => notice(
            StatusCode::FORBIDDEN,
            "The count is reset by the button on the page, not by another site.",
            "./",
        ),
        (Route::Reset, &Method::POST) => {
            log::reset();
            reset(https)
        }
        (Route::Reset, _) => method_not_allowed("POST"),
        (Route::StageWithoutSlash(stage), &Method::GET | &Method::HEAD) => redirect(
            StatusCode::PERMANENT_REDIRECT,
            HeaderValue::try_from(format!("{stage}/"))
                .unwrap_or_else(|_| HeaderValue::from_static("./")),
        ),
        (Route::Page | Route::StageWithoutSlash(_), _) => method_not_allowed("GET, HEAD"),
        (Route::Unknown { depth }, _) => notice(
            StatusCode::NOT_FOUND,
            "There is nothing at this address.",
            &home(depth),
        ),
    };
    complete(response, request.method() == Method::HEAD, https)
}

/// Answers a request whose URL no HTTP request can be made of.
pub(crate) fn refuse_malformed_url(is_head: bool, is_https: bool) -> Response<Body> {
    let response = notice(
        StatusCode::BAD_REQUEST,
        "The address that was asked for is malformed.",
        "./",
    );
    complete(response, is_head, is_https)
}

/// What all answers have in common.
fn complete(mut response: Response<Body>, is_head: bool, is_https: bool) -> Response<Body> {
    security_headers::add(response.headers_mut(), is_https);
    if is_head {
        *response.body_mut() = Body::Empty;
    }
    response
}

/// The answer that counts.
fn visit(headers: &HeaderMap, lifetime: CookieLifetime, https: bool) -> Response<Body> {
    let received = count_cookie::read(headers);
    let count = received.next();
    let set_cookie = count_cookie::set(count, lifetime, https);
    let representation = Representation::negotiate(headers);
    let body = match representation {
        Representation::Html => {
            let set_cookie = set_cookie.to_str().expect("the cookie is ASCII");
            page::visit(received, set_cookie, lifetime)
        }
        Representation::Json => format!("{{\"count\":{count}}}"),
        Representation::Text => format!("{count}\n"),
    };
    log::visit(count, representation);

    let mut response = Response::new(Body::Text(body));
    let headers = response.headers_mut();
    // Room for all that the answer will carry, instead of growing three times.
    headers.reserve(12);
    describe(headers, representation);
    headers.insert(header::SET_COOKIE, set_cookie);
    response
}

/// The headers of a visit without the visit: `HEAD` asks about the page and does not show it.
fn visit_headers(headers: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    describe(response.headers_mut(), Representation::negotiate(headers));
    response
}

fn describe(headers: &mut HeaderMap, representation: Representation) {
    headers.insert(header::CONTENT_TYPE, representation.content_type());
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
}

/// Not a 200, which the browser may show later from its store without asking again: that visit would
/// be lost. After a failed prefetch or prerender it loads the page when the visitor opens it.
fn prefetch() -> Response<Body> {
    notice(
        StatusCode::SERVICE_UNAVAILABLE,
        "A visit counts when somebody opens the page, not when a browser loads it ahead.",
        "./",
    )
}

fn reset(https: bool) -> Response<Body> {
    let mut response = redirect(StatusCode::SEE_OTHER, HeaderValue::from_static("./"));
    response
        .headers_mut()
        .insert(header::SET_COOKIE, count_cookie::forget(https));
    response
}

/// Whether another site had the browser post the form. Older browsers, and programs, do not say.
fn is_cross_site(headers: &HeaderMap) -> bool {
    headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|site| site != "same-origin" && site != "none")
}

/// `location` is relative, so that it stays inside an API Gateway stage.
fn redirect(status: StatusCode, location: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn method_not_allowed(allow: &'static str) -> Response<Body> {
    let text = "This address does not answer that method.";
    let mut response = notice(StatusCode::METHOD_NOT_ALLOWED, text, "./");
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

fn notice(status: StatusCode, text: &str, home: &str) -> Response<Body> {
    let mut response = Response::new(Body::Text(page::notice(status, text, home)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, Representation::Html.content_type());
    response
}

/// The relative way to the page from a path that is `depth` folders below it.
fn home(depth: usize) -> String {
    /// Deeper is no place that a person came to; a link of a few bytes is enough for it.
    const MAX_DEPTH: usize = 16;
    match depth {
        1..=MAX_DEPTH => "../".repeat(depth),
        _ => "./".to_owned(),
    }
}
