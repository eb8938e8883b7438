//! The program that AWS Lambda starts.

use std::{convert::Infallible, env, future::ready, process::ExitCode};

use lambda_http::{Error, Request, run_concurrent, service_fn};

use {{project_name | downcase | replace: "-", "_"}}::{Settings, respond, start_log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start_log();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let settings = Settings::from_env()?;
    if env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return Err("this program runs on AWS Lambda; here, start `cargo lambda watch`".into());
    }
    // lambda_http builds a URL from each request, and panics if it is malformed (README.md, Limits). To answer
    // such requests too, read the events with lambda_runtime instead.
    run_concurrent(service_fn(move |request: Request| {
        ready(Ok::<_, Infallible>(respond(&request, &settings)))
    }))
    .await
}
