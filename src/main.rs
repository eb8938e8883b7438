//! The program that AWS Lambda starts: [`answer`] behind the Lambda Runtime API, on a single thread.

use std::{env, future::ready, process::ExitCode, sync::Arc};

use lambda_http::{Error, LambdaEvent, service_fn};
use lambda_runtime::{Runtime, layers::TracingLayer};
use page_visit_counter::{Event, Settings, answer, log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers one event at a time, or as many as `AWS_LAMBDA_MAX_CONCURRENCY` says on
/// [Lambda Managed Instances](https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances.html), until
/// Lambda ends the process.
async fn run() -> Result<(), Error> {
    let settings = Arc::new(Settings::from_env()?);
    if env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return Err("this program runs on AWS Lambda; to see the page here, run `make run`".into());
    }
    let service = service_fn(move |event: LambdaEvent<Event>| ready(answer(event.payload, &settings)));
    // The layer's span gives each error the request's id.
    let runtime = Runtime::new(service).layer(TracingLayer::new());
    log::started();
    runtime.run_concurrent().await
}
