//! Decides the answer to a request.

use lambda_http::{
    Body, Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};

use crate::{
    Settings, compression,
    count_cookie::{self, Jar},
    embedding::{self, Caller},
    fetch_metadata, log, page,
    representation::Representation,
    route::Route,
    scheme, security_headers,
};

/// Answers a request. Every request has an answer, and no answer is an error of the function.
#[must_use]
pub fn respond(request: &Request, settings: &Settings) -> Response<Body> {
    let headers = request.headers();
    let https = scheme::is_https(headers);
    let caller = Caller::of(headers, &settings.embed_origins);
    let mut response = match (Route::of(request), request.method()) {
        (Route::Page, &Method::GET | &Method::HEAD) if fetch_metadata::is_speculative(headers) => {
            log::prefetch();
            prefetch()
        }
        (Route::Page, &Method::GET | &Method::HEAD) if fetch_metadata::is_unseen(headers) => {
            notice(
                StatusCode::FORBIDDEN,
                "This page cannot be shown inside another page.",
                "./",
            )
        }
        (Route::Page, &Method::GET | &Method::HEAD) if caller == Caller::Unlisted => notice(
            StatusCode::FORBIDDEN,
            "The owner of this counter has not allowed that site to show the count.",
            "./",
        ),
        (Route::Page, &Method::GET) => visit(request, caller, settings, https),
        (Route::Page, &Method::HEAD) => visit_headers(request),
        (Route::Page, &Method::OPTIONS)
            if caller.is_listed() && embedding::is_preflight(headers) =>
        {
            preflight(headers)
        }
        (Route::Reset | Route::Forget, &Method::POST)
            if fetch_metadata::is_from_elsewhere(headers) =>
        {
            notice(
                StatusCode::FORBIDDEN,
                "Another site tried to change your count. Only the counter’s own buttons can do that.",
                "./",
            )
        }
        (Route::Reset, &Method::POST) => {
            log::reset();
            reset(https)
        }
        (Route::Forget, &Method::POST) => {
            log::forget();
            forget(https)
        }
        (Route::Reset, _) => method_not_allowed(
            "POST",
            "To start again at 1, use the button “Reset to 1” on the page.",
        ),
        (Route::Forget, _) => method_not_allowed(
            "POST",
            "To delete the cookie, use the button “Delete the cookie” on the page.",
        ),
        (Route::StageWithoutSlash(stage), &Method::GET | &Method::HEAD) => redirect(
            StatusCode::PERMANENT_REDIRECT,
            HeaderValue::try_from(format!("{stage}/"))
                .unwrap_or_else(|_| HeaderValue::from_static("./")),
        ),
        (Route::Page | Route::StageWithoutSlash(_), _) => {
            method_not_allowed("GET, HEAD", "This page only accepts GET and HEAD.")
        }
        (Route::Unknown { depth }, _) => notice(
            StatusCode::NOT_FOUND,
            "There is nothing at this address.",
            &home(depth),
        ),
    };
    security_headers::add(response.headers_mut(), https);
    embedding::add_headers(response.headers_mut(), caller, &settings.embed_origins);
    if request.method() == Method::HEAD {
        *response.body_mut() = Body::Empty;
    }
    response
}

/// The answer that counts.
fn visit(
    request: &Request,
    caller: Caller<'_>,
    settings: &Settings,
    https: bool,
) -> Response<Body> {
    let headers = request.headers();
    let received = count_cookie::read(headers);
    let count = received.next();
    let jar = if caller.is_listed() && fetch_metadata::is_cross_site_fetch(headers) {
        Jar::Partitioned
    } else {
        Jar::OwnSite { secure: https }
    };
    let set_cookie = count_cookie::set(count, settings.cookie_lifetime, jar);
    let representation = Representation::negotiate(headers);
    let gzip = is_compressed(representation, request);
    let body = match representation {
        Representation::Html => {
            let set_cookie = set_cookie.to_str().expect("the cookie is ASCII");
            let page = page::visit(received, set_cookie, settings.cookie_lifetime);
            if gzip {
                Body::Binary(compression::gzip(&page))
            } else {
                Body::Text(page)
            }
        }
        Representation::Json => Body::Text(format!("{{\"count\":{count}}}")),
        Representation::Text => Body::Text(format!("{count}\n")),
    };
    log::visit(count, representation, caller.is_listed());

    let mut response = Response::new(body);
    let headers = response.headers_mut();
    describe(headers, representation, gzip);
    headers.insert(header::SET_COOKIE, set_cookie);
    response
}

/// The headers of a visit, without counting one: `HEAD` asks about the page and does not show it.
fn visit_headers(request: &Request) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    let representation = Representation::negotiate(request.headers());
    let gzip = is_compressed(representation, request);
    describe(response.headers_mut(), representation, gzip);
    response
}

/// Whether the answer is compressed. JSON and text are too short to gain from it.
fn is_compressed(representation: Representation, request: &Request) -> bool {
    representation == Representation::Html && compression::is_accepted(request)
}

fn describe(headers: &mut HeaderMap, representation: Representation, gzip: bool) {
    headers.insert(header::CONTENT_TYPE, representation.content_type());
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(
        header::VARY,
        HeaderValue::from_static("Accept, Accept-Encoding"),
    );
}

/// With a 200, the browser might show the prefetched page later without asking again, and that visit would
/// be lost. With a 4xx, it loads the page again when the visitor opens it. A 5xx would look like a failure
/// of the function.
fn prefetch() -> Response<Body> {
    notice(
        StatusCode::FORBIDDEN,
        "A visit counts when you open the page, not when your browser loads it in advance.",
        "./",
    )
}

fn reset(https: bool) -> Response<Body> {
    let mut response = redirect(StatusCode::SEE_OTHER, HeaderValue::from_static("./"));
    response.headers_mut().insert(
        header::SET_COOKIE,
        count_cookie::forget(Jar::OwnSite { secure: https }),
    );
    response
}

/// Not a redirect to the page, as after a reset: that would be a visit, which sets a new cookie.
fn forget(https: bool) -> Response<Body> {
    let set_cookie = count_cookie::forget(Jar::OwnSite { secure: https });
    let page = page::forgotten(set_cookie.to_str().expect("the cookie is ASCII"));
    let mut response = html(StatusCode::OK, page);
    response
        .headers_mut()
        .insert(header::SET_COOKIE, set_cookie);
    response
}

/// Permits a script of a listed site to ask for the count. The preflight itself does not count.
fn preflight(headers: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    embedding::permit(headers, response.headers_mut());
    response
}

/// `location` is relative, so that it stays inside an API Gateway stage.
fn redirect(status: StatusCode, location: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn method_not_allowed(allow: &'static str, text: &str) -> Response<Body> {
    let mut response = notice(StatusCode::METHOD_NOT_ALLOWED, text, "./");
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

fn notice(status: StatusCode, text: &str, home: &str) -> Response<Body> {
    html(status, page::notice(status, text, home))
}

fn html(status: StatusCode, page: String) -> Response<Body> {
    let mut response = Response::new(Body::Text(page));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, Representation::Html.content_type());
    response
}

/// A relative link to the page from a path that is `depth` folders below it.
fn home(depth: usize) -> String {
    /// No link leads deeper. From a deeper path, the link home stays short and need not reach the page.
    const MAX_DEPTH: usize = 16;
    match depth {
        1..=MAX_DEPTH => "../".repeat(depth),
        _ => "./".to_owned(),
    }
}
