//! The log: a line for what the owner counts, and one for what goes wrong.
//!
//! A visit costs more to log than to compute, so a line holds only what a metric or a person reads:
//! `{"level":"INFO","message":"visit","count":3,"form":"html"}`. The metric filters in
//! `template.yaml` match these lines. No line holds anything else about a visitor.

use std::{
    cell::Cell,
    env,
    fmt::{self, Display},
    io::{self, Write},
    panic,
    sync::atomic::{AtomicBool, Ordering},
};

use cookie::time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};

use crate::{VisitCount, representation::Representation};

/// Whether this execution environment has yet to count its first visit.
static COLD: AtomicBool = AtomicBool::new(true);

/// A counted visit. The first of an execution environment says `"cold":true`, which counts the cold
/// starts without the platform's own lines.
pub(crate) fn visit(count: VisitCount, representation: Representation) {
    let cold = COLD.swap(false, Ordering::Relaxed).then_some(true);
    tracing::info!(
        count = u64::from(count),
        form = representation.name(),
        cold,
        "visit"
    );
}

/// A visitor's reset.
pub(crate) fn reset() {
    tracing::info!("reset");
}

/// A prefetch or prerender, which does not count.
pub(crate) fn prefetch() {
    tracing::info!("prefetch");
}

/// A request that was refused because its URL is none.
pub(crate) fn bad_request() {
    tracing::info!("bad request");
}

thread_local! {
    static PANICS_ARE_LOGGED: Cell<bool> = const { Cell::new(true) };
}

/// Runs `body`, whose panics are expected and caught, without a line for a panic.
pub(crate) fn without_panics<T>(body: impl FnOnce() -> T) -> T {
    PANICS_ARE_LOGGED.set(false);
    let result = body();
    PANICS_ARE_LOGGED.set(true);
    result
}

/// Starts to log to the standard output, panics included, as Lambda's
/// [advanced logging controls](https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html)
/// say: from the level `AWS_LAMBDA_LOG_LEVEL` on (INFO if that is not set), in the format
/// `AWS_LAMBDA_LOG_FORMAT` (JSON unless it says `Text`).
///
/// # Panics
///
/// If it is called a second time.
pub fn start() {
    let log = Log {
        level: env::var("AWS_LAMBDA_LOG_LEVEL").map_or(Level::INFO, |name| level(&name)),
        format: match env::var("AWS_LAMBDA_LOG_FORMAT") {
            Ok(name) if name.eq_ignore_ascii_case("text") => Format::Text,
            _ => Format::Json,
        },
    };
    tracing::subscriber::set_global_default(log).expect("the log is started once");
    panic::set_hook(Box::new(|panic| {
        if PANICS_ARE_LOGGED.get() {
            tracing::error!("{panic}");
        }
    }));
}

/// Lambda's levels are those of `tracing`, and FATAL.
fn level(name: &str) -> Level {
    match name.parse() {
        Ok(level) => level,
        Err(_) if name.eq_ignore_ascii_case("fatal") => Level::ERROR,
        Err(_) => Level::INFO,
    }
}

/// Writes a line an event. A `tracing_subscriber` with the same output would be a megabyte, most of
/// it the regular expressions of its filter.
#[derive(Debug)]
struct Log {
    level: Level,
    format: Format,
}

#[derive(Clone, Copy, Debug)]
enum Format {
    Json,
    Text,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Of libraries only what goes wrong: at TRACE lambda_runtime logs whole events, with their
        // cookies and addresses.
        let most_verbose = if metadata.target().starts_with(env!("CARGO_CRATE_NAME")) {
            Level::INFO
        } else {
            Level::WARN
        };
        metadata.is_event() && *metadata.level() <= self.level.min(most_verbose)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level.min(Level::INFO).into())
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::start(self.format, *event.metadata().level());
        event.record(&mut line);
        // Nobody is left to tell when the standard output is gone.
        let _ = io::stdout().write_all(&line.end());
    }

    // No span is enabled.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// A line of the log, as it is written.
struct Line {
    format: Format,
    bytes: Vec<u8>,
}

impl Line {
    fn start(format: Format, level: Level) -> Self {
        let mut line = Self {
            format,
            bytes: Vec::with_capacity(128),
        };
        match format {
            Format::Json => line.write(format_args!("{{\"level\":\"{level}\"")),
            Format::Text => line.write(level),
        }
        // Lambda takes a JSON line without a time for an INFO line, adds the time itself, and would
        // drop an error where only errors are wanted.
        if matches!(format, Format::Json) && level < Level::INFO {
            let now = OffsetDateTime::now_utc();
            line.string("timestamp", &now.format(&Rfc3339).unwrap_or_default());
        }
        line
    }

    fn end(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(match self.format {
            Format::Json => b"}\n",
            Format::Text => b"\n",
        });
        self.bytes
    }

    /// A field whose value needs no quotes.
    fn value(&mut self, name: &str, value: impl Display) {
        match self.format {
            Format::Json => self.write(format_args!(",\"{name}\":{value}")),
            Format::Text if name == "message" => self.write(format_args!(" {value}")),
            Format::Text => self.write(format_args!(" {name}={value}")),
        }
    }

    fn string(&mut self, name: &str, value: &str) {
        match self.format {
            Format::Json => {
                self.write(format_args!(",\"{name}\":"));
                serde_json::to_writer(&mut self.bytes, value)
                    .expect("a string is JSON, and writing to a Vec does not fail");
            }
            Format::Text => self.value(name, value),
        }
    }

    fn write(&mut self, text: impl Display) {
        write!(self.bytes, "{text}").expect("writing to a Vec does not fail");
    }
}

impl Visit for Line {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.string(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.string(field.name(), &format!("{value:?}"));
    }
}
