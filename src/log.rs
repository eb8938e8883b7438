//! The log: a line for each visit and each start, which the owner's metrics count, and one for each warning and error.
//!
//! A visit costs more to log than to compute. Therefore its line has only the fields that a metric or a person reads:
//! `{"timestamp":"…","level":"INFO","message":"visit","count":3,"form":"html"}`. The metric filters in
//! `template.yaml` match these lines. Nothing else about the visitor is logged.

use std::{env, panic};

use tracing::{Level, Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    filter::{Targets, filter_fn},
    fmt,
    prelude::*,
};

use crate::{negotiation::Representation, visit_count::VisitCount};

/// The program is ready for its first event. This line counts a cold start, because Lambda's own lines are
/// turned off.
pub fn started() {
    tracing::info!("start");
}

/// A counted visit; `embedded` says whether a page of another site shows the count.
pub(crate) fn visit(count: VisitCount, representation: Representation, embedded: bool) {
    tracing::info!(count = count.get(), form = representation.name(), embedded = embedded.then_some(true), "visit");
}

/// Starts to log to the standard output, including panics. Lambda's
/// [advanced logging controls](https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html)
/// set the lowest level in `AWS_LAMBDA_LOG_LEVEL` (INFO by default) and the format in `AWS_LAMBDA_LOG_FORMAT`
/// (JSON unless it is `Text`).
///
/// A warning or an error names its request (`requestId`), because Lambda's own lines are turned off. An INFO line does
/// not: the id would be a third of the log.
pub fn init() {
    let level = level(&env::var("AWS_LAMBDA_LOG_LEVEL").unwrap_or_default());
    let is_text = env::var("AWS_LAMBDA_LOG_FORMAT").is_ok_and(|format| format.eq_ignore_ascii_case("text"));
    let levels = Targets::new()
        // Libraries log only warnings and errors: the rest may contain cookies and addresses.
        .with_default(level.min(LevelFilter::WARN))
        // The span of TracingLayer, which has the request's id.
        .with_target("lambda_runtime::layers::trace", LevelFilter::INFO)
        // This layer would log each error and each panic a second time.
        .with_target("lambda_runtime::layers::panic", LevelFilter::OFF)
        .with_target(env!("CARGO_CRATE_NAME"), level);
    let lines = |which: fn(&Metadata) -> bool| {
        let lines = fmt::layer().with_target(false);
        let lines =
            if is_text { lines.boxed() } else { lines.json().flatten_event(true).with_span_list(false).boxed() };
        lines.with_filter(filter_fn(which))
    };
    let info = lines(|line| line.is_event() && *line.level() == Level::INFO);
    let warnings_and_errors = lines(|line| line.is_span() || *line.level() < Level::INFO);
    tracing_subscriber::registry().with(levels).with(vec![info, warnings_and_errors]).init();
    panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

/// The level of Lambda's name for it. Nothing here logs at DEBUG or TRACE.
fn level(name: &str) -> LevelFilter {
    match &*name.to_ascii_uppercase() {
        "WARN" => LevelFilter::WARN,
        "ERROR" | "FATAL" => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    }
}
