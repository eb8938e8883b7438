//! The smallest possible `lambda_http` function that compresses a page, which shows what the platform itself costs.

use std::{env, io::Write, sync::LazyLock};

use flate2::{Compression, write::GzEncoder};
use lambda_http::{Body, Error, Request, Response, http::header, run_concurrent, service_fn};

/// Read at the first visit, so that it is not a part of the start.
static PAGE: LazyLock<String> = LazyLock::new(|| env::var("PAGE").expect("the page"));

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run_concurrent(service_fn(respond)).await
}

async fn respond(_: Request) -> Result<Response<Body>, Error> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(PAGE.as_bytes())?;
    let page = Response::builder().header(header::CONTENT_TYPE, "text/html; charset=utf-8");
    Ok(page.header(header::CONTENT_ENCODING, "gzip").body(gzip.finish()?.into())?)
}
