//! The log: a line for each event that the owner's metrics count, and one for each error.
//!
//! A visit costs more to log than to compute, so a line has only the fields that a metric or a person reads:
//! `{"timestamp":"…","level":"INFO","message":"visit","count":3,"form":"html"}`. The metric filters in
//! `template.yaml` match these lines. No line says anything else about a visitor.

use std::{env, panic};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt, prelude::*};

use crate::{VisitCount, representation::Representation};

/// The program is ready for its first event. This line counts a cold start, because Lambda's own lines are
/// turned off.
pub(crate) fn started() {
    tracing::info!("start");
}

/// A counted visit; `embedded` says whether a page of another site shows the count.
pub(crate) fn visit(count: VisitCount, representation: Representation, embedded: bool) {
    tracing::info!(
        count = u64::from(count),
        form = representation.name(),
        embedded = embedded.then_some(true),
        "visit"
    );
}

/// A visitor reset the count.
pub(crate) fn reset() {
    tracing::info!("reset");
}

/// A visitor deleted the cookie.
pub(crate) fn forget() {
    tracing::info!("forget");
}

/// A prefetch or prerender, which does not count.
pub(crate) fn prefetch() {
    tracing::info!("prefetch");
}

/// Starts to log to the standard output, including panics. Lambda's
/// [advanced logging controls](https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html)
/// set the lowest level in `AWS_LAMBDA_LOG_LEVEL` (INFO by default) and the format in `AWS_LAMBDA_LOG_FORMAT`
/// (JSON unless it is `Text`).
///
/// # Panics
///
/// If it is called twice.
pub fn init() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").map_or(LevelFilter::INFO, |name| level(&name));
    let is_text = env::var("AWS_LAMBDA_LOG_FORMAT").is_ok_and(|it| it.eq_ignore_ascii_case("text"));
    // Libraries log only warnings and errors: at TRACE, lambda_runtime would log whole events, with their
    // cookies and addresses.
    let levels = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_CRATE_NAME"), level.min(LevelFilter::INFO));
    let lines = fmt::layer().with_target(false);
    let lines = if is_text {
        lines.boxed()
    } else {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed()
    };
    tracing_subscriber::registry()
        .with(levels)
        .with(lines)
        .init();
    panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

/// Lambda has the levels of `tracing`, and FATAL.
fn level(name: &str) -> LevelFilter {
    match name.parse() {
        Ok(level) => level,
        Err(_) if name.eq_ignore_ascii_case("fatal") => LevelFilter::ERROR,
        Err(_) => LevelFilter::INFO,
    }
}
