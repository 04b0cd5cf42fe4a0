//! Logs to standard error, and traces to a collector: both only where somebody asks for them.

#[cfg(feature = "ledger")]
mod otlp;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::io::Io;

#[cfg(feature = "ledger")]
pub use otlp::headers;

/// How lines of the log are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Text,
    /// One JSON object a line
    #[cfg(feature = "ledger")]
    Json,
}

/// What a process logs and traces, until this is dropped.
pub struct Telemetry {
    #[cfg(feature = "ledger")]
    traces: Option<otlp::Traces>,
}

/// Writes what `ATTESTRY_LOG` asks for to standard error, else what `unasked` names, and sends spans
/// to where the `OTEL_*` variables say.
pub fn start(unasked: Option<&str>, format: Format, io: &Io) -> Telemetry {
    let filter = io.var("ATTESTRY_LOG").or(unasked).map(EnvFilter::new);
    let lines = filter.map(|filter| {
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
        match format {
            Format::Text => layer.boxed(),
            #[cfg(feature = "ledger")]
            Format::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
        }
        .with_filter(filter)
    });
    #[cfg(feature = "ledger")]
    {
        let traces = otlp::Traces::start(io);
        let spans = traces.as_ref().map(otlp::Traces::layer);
        // A second call keeps the first subscriber, which does as well.
        if lines.is_some() || spans.is_some() {
            let _ = tracing_subscriber::registry().with(lines).with(spans).try_init();
        }
        Telemetry { traces }
    }
    #[cfg(not(feature = "ledger"))]
    {
        if lines.is_some() {
            let _ = tracing_subscriber::registry().with(lines).try_init();
        }
        Telemetry {}
    }
}

impl Telemetry {
    /// Runs a command within a span that continues the trace of whoever calls it.
    pub fn within<T>(&self, io: &mut Io, work: impl FnOnce(&mut Io) -> T) -> T {
        #[cfg(feature = "ledger")]
        if self.traces.is_some() {
            let span = otlp::command(io);
            return span.in_scope(|| work(io));
        }
        work(io)
    }
}
