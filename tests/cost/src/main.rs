//! The smallest possible `lambda_http` function, which shows what the platform itself costs.

use lambda_http::{Error, Request, Response, http::header, run_concurrent, service_fn};

const PAGE: &str = include_str!(env!("PAGE"));

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run_concurrent(service_fn(respond)).await
}

async fn respond(_: Request) -> Result<Response<String>, Error> {
    Ok(Response::builder().header(header::CONTENT_TYPE, "text/html; charset=utf-8").body(PAGE.to_owned())?)
}
