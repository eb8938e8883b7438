//! Decides the answer to a request.

use lambda_http::{
    Body, Request, Response,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
};

use crate::{
    Settings,
    count_cookie::{self, Jar},
    embedding::{self, Caller},
    fetch_metadata, https, log,
    negotiation::{self, Representation},
    page::{self, HOME},
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
    let https = https::is_used(headers);
    let caller = Caller::of(headers, &settings.embed_origins);
    let mut response = match Route::of(request) {
        Route::Page => page(request, settings, https, caller),
        Route::Reset => reset(request, https),
        Route::Forget => forget(request, https),
        Route::StageWithoutSlash(stage) => stage_without_slash(request, stage),
        Route::Unknown(depth) => unknown(depth),
    };
    security_headers::add(response.headers_mut(), https);
    embedding::add_headers(response.headers_mut(), caller, &settings.embed_origins);
    if request.method() == Method::HEAD {
        *response.body_mut() = Body::Empty;
    }
    response
}

fn page(request: &Request, settings: &Settings, https: bool, caller: Caller) -> Response<Body> {
    let headers = request.headers();
    match *request.method() {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS if caller.is_listed() && embedding::is_preflight(headers) => {
            let mut response = empty(StatusCode::NO_CONTENT);
            embedding::permit(headers, response.headers_mut());
            return response;
        }
        _ => return method_not_allowed("GET, HEAD", "This page only accepts GET and HEAD."),
    }
    if fetch_metadata::is_speculative(headers) {
        log::prefetch();
        // With a 200, the browser might show this answer later without asking again, and that visit
        // would be lost. With a 4xx, it loads the page again when the visitor opens it. A 5xx would
        // look like a failure of the function.
        return forbidden("A visit counts when you open the page, not when your browser loads it in advance.");
    }
    if fetch_metadata::is_unseen(headers) {
        return forbidden("This page cannot be shown inside another page.");
    }
    if caller == Caller::Unlisted {
        return forbidden("The owner of this counter has not allowed that site to show the count.");
    }
    let form = Representation::preferred(headers);
    let gzip = form == Representation::Html && negotiation::accepts_gzip(headers);
    if fetch_metadata::is_health_check(headers) {
        return success(Body::Empty, form, false);
    }
    if request.method() == Method::HEAD {
        return success(Body::Empty, form, gzip);
    }

    let received = count_cookie::read(headers);
    let count = received.next();
    let jar = if caller.is_listed() && fetch_metadata::is_cross_site_fetch(headers) {
        Jar::Partitioned
    } else {
        Jar::OwnSite { secure: https }
    };
    let set_cookie = count_cookie::set(count, settings, jar);
    let body = match form {
        Representation::Html => {
            let page = page::visit(received, &set_cookie, settings.cookie_days);
            if gzip { Body::Binary(page::gzip(&page)) } else { Body::Text(page) }
        }
        Representation::Json => Body::Text(format!("{{\"count\":{count}}}")),
        Representation::Text => Body::Text(format!("{count}\n")),
    };
    log::visit(count, form, caller.is_listed());
    with(success(body, form, gzip), header::SET_COOKIE, set_cookie)
}

/// The answer to a visit. HEAD and a health check get it with an empty body.
fn success(body: Body, form: Representation, gzip: bool) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, form.content_type());
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let vary = HeaderValue::from_static("Accept, Accept-Encoding");
    with(response, header::VARY, vary)
}

fn reset(request: &Request, https: bool) -> Response<Body> {
    let instead = "To start again at 1, use the button “Reset to 1” on the page.";
    if let Some(refusal) = refusal(request, instead) {
        return refusal;
    }
    log::reset();
    let home = HeaderValue::from_static(HOME);
    let set_cookie = count_cookie::forget(Jar::OwnSite { secure: https });
    with(redirect(StatusCode::SEE_OTHER, home), header::SET_COOKIE, set_cookie)
}

/// Not a redirect to the page, as after a reset: that would be a visit, which sets a new cookie.
fn forget(request: &Request, https: bool) -> Response<Body> {
    let instead = "To delete the cookie, use the button “Delete the cookie” on the page.";
    if let Some(refusal) = refusal(request, instead) {
        return refusal;
    }
    log::forget();
    let set_cookie = count_cookie::forget(Jar::OwnSite { secure: https });
    let page = html(StatusCode::OK, page::forgotten(&set_cookie));
    with(page, header::SET_COOKIE, set_cookie)
}

/// Refuses what does not come from a button on the page.
fn refusal(request: &Request, instead: &str) -> Option<Response<Body>> {
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

fn unknown(depth: usize) -> Response<Body> {
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
    with(empty(status), header::LOCATION, location)
}

fn forbidden(text: &str) -> Response<Body> {
    notice(StatusCode::FORBIDDEN, text, HOME)
}

fn method_not_allowed(allow: &'static str, text: &str) -> Response<Body> {
    let notice = notice(StatusCode::METHOD_NOT_ALLOWED, text, HOME);
    with(notice, header::ALLOW, HeaderValue::from_static(allow))
}

fn notice(status: StatusCode, text: &str, home: &str) -> Response<Body> {
    html(status, page::notice(status, text, home))
}

fn html(status: StatusCode, page: String) -> Response<Body> {
    let mut response = empty(status);
    *response.body_mut() = Body::Text(page);
    with(response, header::CONTENT_TYPE, Representation::Html.content_type())
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

fn with(mut response: Response<Body>, name: HeaderName, value: HeaderValue) -> Response<Body> {
    response.headers_mut().insert(name, value);
    response
}
