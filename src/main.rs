//! The program that AWS Lambda starts: the library's [`function`] on a single thread.

use std::{env, process::ExitCode};

use lambda_http::Error;
use page_visit_counter::{Settings, function, log};

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

async fn run() -> Result<(), Error> {
    let settings = Settings::from_env()?;
    if env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return Err("this program runs on AWS Lambda; to see the page here, run `make run`".into());
    }
    function::run(settings).await
}
