//! The set-up of the documentation's first examples, doing the counter's job in the obvious way.

use lambda_http::{
    Body, Error, Request, Response,
    http::{StatusCode, header},
    run, service_fn, tracing,
};

/// The page, with `{{ previous }}`, `{{ count }}` and `{{ next }}` where the numbers stand.
const TEMPLATE: &str = include_str!(concat!(env!("OUT_DIR"), "/page.html"));

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    run(service_fn(respond)).await
}

async fn respond(request: Request) -> Result<Response<Body>, Error> {
    let previous = previous_count(&request).unwrap_or(0);
    let count = previous + 1;
    tracing::info!(count, "visit");
    let page = TEMPLATE
        .replace("{{ previous }}", &previous.to_string())
        .replace("{{ count }}", &count.to_string())
        .replace("{{ next }}", &(count + 1).to_string());
    Ok(Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store")
        .header(
            header::SET_COOKIE,
            format!("count={count}; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax; Secure"),
        )
        .body(page.into())?)
}

fn previous_count(request: &Request) -> Option<u64> {
    let cookies = request.headers().get(header::COOKIE)?.to_str().ok()?;
    cookies
        .split("; ")
        .find_map(|cookie| cookie.strip_prefix("count="))?
        .parse()
        .ok()
}
