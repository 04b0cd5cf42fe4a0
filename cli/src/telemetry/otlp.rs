//! OpenTelemetry: spans sent over OTLP (HTTP, protobuf), and the W3C trace context of a CI job.
//!
//! A collector that is away costs a command no more than its own timeout, and never its result.

use std::collections::HashMap;

use opentelemetry::global;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::field::Empty;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::io::Io;

/// The names of the W3C headers, and of the variables in which a CI job hands them on.
const CONTEXT: [(&str, &str); 2] = [("traceparent", "TRACEPARENT"), ("tracestate", "TRACESTATE")];

/// Spans on their way to a collector; dropping it sends those that wait.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Begins to collect where an endpoint is named and nothing turns it off.
    pub fn start(io: &Io) -> Option<Traces> {
        let named = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
        let is_off = io.var("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"))
            || io.var("OTEL_TRACES_EXPORTER") == Some("none");
        if is_off || named.iter().all(|name| io.var(name).is_none()) {
            return None;
        }
        // An endpoint may be https; a provider that is there already does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // The exporter reads the endpoint, its headers and its timeout from the variables itself.
        let exporter = match SpanExporter::builder().with_http().build() {
            Ok(exporter) => exporter,
            Err(cause) => {
                // The log begins only after this.
                eprintln!("warning: traces are not sent: {cause}");
                return None;
            }
        };
        global::set_text_map_propagator(TraceContextPropagator::new());
        let name = io.var("OTEL_SERVICE_NAME").unwrap_or("attestry").to_owned();
        let resource = Resource::builder().with_service_name(name).build();
        let builder = SdkTracerProvider::builder().with_resource(resource);
        Some(Traces { provider: builder.with_batch_exporter(exporter).build() })
    }

    /// Sends our own spans, and not those of the libraries that send them.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let ours = ["cli", "ledger"].map(|target| (target, LevelFilter::INFO));
        let spans = tracing_opentelemetry::layer().with_tracer(self.provider.tracer("attestry"));
        spans.with_filter(Targets::new().with_targets(ours))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(cause) = self.provider.shutdown() {
            tracing::warn!(%cause, "the last traces were not sent");
        }
    }
}

/// The span of one command.
pub fn command(io: &Io) -> Span {
    let span = tracing::info_span!("command", attestry.promotion.id = Empty);
    let _ = span.set_parent(TraceContextPropagator::new().extract(&given(io)));
    span
}

fn given(io: &Io) -> HashMap<String, String> {
    let named =
        |(header, name): &(&str, &str)| Some(((*header).to_owned(), io.var(name)?.to_owned()));
    CONTEXT.iter().filter_map(named).collect()
}

/// The headers by which a server continues this command's trace: that of its own span, or where no
/// traces are collected here, the one that the CI job has handed over.
pub fn headers(io: &Io) -> Vec<(String, String)> {
    let propagator = TraceContextPropagator::new();
    let own = Span::current().context();
    let context = match own.span().span_context().is_valid() {
        true => own,
        false => propagator.extract(&given(io)),
    };
    let mut headers = HashMap::new();
    propagator.inject_context(&context, &mut headers);
    headers.retain(|_, value| !value.is_empty());
    headers.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &str, expected: Option<&str>) {
        let (mut stdin, mut stdout, mut stderr) = (&b""[..], Vec::new(), Vec::new());
        let mut io = Io::new(&mut stdin, &mut stdout, &mut stderr, ".");
        io.env.insert("TRACEPARENT".to_owned(), given.to_owned());
        let headers = headers(&io);
        let sent = headers.iter().find(|(name, _)| name == "traceparent");
        assert_eq!(sent.map(|(_, value)| value.as_str()), expected, "{given}");
    }

    #[test]
    fn a_job_without_a_collector_hands_its_context_on() {
        const JOB: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        check(JOB, Some(JOB));
        for bad in ["", "00-0-0-01", "anything\r\nx: y", &JOB.to_uppercase()] {
            check(bad, None);
        }
    }
}
