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
        return Err("AWS Lambda starts this program; here, `cargo lambda watch` does".into());
    }
    // lambda_http makes a URL of each request, and panics where it cannot (README.md, Limits). A function
    // that has to answer those requests too reads the events itself, with lambda_runtime.
    run_concurrent(service_fn(move |request: Request| {
        ready(Ok::<_, Infallible>(respond(&request, &settings)))
    }))
    .await
}
