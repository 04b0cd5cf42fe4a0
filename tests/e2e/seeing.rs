//! Seeing it run: metrics that the dashboard really finds, and readiness that tells the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::http::{ask, ask_with, get};
use harness::{Place, repository, story};
use ledger::access::Openness;
use ledger::{Ledger, Which, http};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A ledger that is served, with its metrics on a port of their own.
struct Running {
    place: Place,
    ledger: Arc<Ledger>,
    address: SocketAddr,
    metrics: SocketAddr,
    runtime: Runtime,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<std::io::Result<()>>>,
}

impl Running {
    fn over(place: Place) -> Running {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let (folder, state) = (place.file("ledger"), place.file("state"));
        let (stop, stopped) = watch::channel(false);
        let stopped = move || {
            let mut stopped = stopped.clone();
            async move { drop(stopped.wait_for(|stop| *stop).await) }
        };
        let (ledger, address, metrics, tasks) = runtime.block_on(async {
            let ledger = Arc::new(Ledger::open(&folder, &state).await.unwrap());
            let bind = || TcpListener::bind("127.0.0.1:0");
            let (listener, scraped) = (bind().await.unwrap(), bind().await.unwrap());
            let addresses = (listener.local_addr().unwrap(), scraped.local_addr().unwrap());
            let open = Openness { reading: true, submitting: true };
            let settings = http::Settings { open, ..http::Settings::default() };
            let served = http::serve(Arc::clone(&ledger), settings, listener, stopped());
            let metrics = http::metrics::serve(Arc::clone(&ledger), scraped, stopped());
            let tasks = vec![tokio::spawn(served), tokio::spawn(metrics)];
            (ledger, addresses.0, addresses.1, tasks)
        });
        Running { place, ledger, address, metrics, runtime, stop, tasks }
    }

    fn scrape(&self) -> String {
        let answer = get(self.metrics, "/metrics");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let kind = answer.header("content-type").unwrap();
        assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
        answer.text()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for task in self.tasks.drain(..) {
            let _ = self.runtime.block_on(task);
        }
    }
}

/// The samples of a scrape: by name, every label that one of them has.
fn samples(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).unwrap();
        let labels = found.entry(line[..end].to_owned()).or_default();
        if let Some((inside, _)) = line[end..].strip_prefix('{').and_then(|it| it.rsplit_once('}'))
        {
            labels.extend(label_names(inside));
        }
    }
    found
}

/// The names before `=` in a list of labels, whatever stands in the quotes.
fn label_names(list: &str) -> Vec<String> {
    let outside: String = list.split('"').step_by(2).collect();
    let names = outside.split(',').filter_map(|part| part.split(['=', '!']).next());
    names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// The value of the one sample that begins so.
fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(sample));
    let line = line.unwrap_or_else(|| panic!("no {sample} in\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Asks a query for its metrics, and for the labels that it names.
fn named(expr: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (mut metrics, mut labels) = (BTreeSet::new(), BTreeSet::new());
    for (at, _) in expr.match_indices("attestry_") {
        let rest = &expr[at..];
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        metrics.insert(rest[..end].to_owned());
        if let Some((inside, _)) = rest[end..].strip_prefix('{').and_then(|it| it.split_once('}')) {
            labels.extend(label_names(inside));
        }
    }
    for (at, word) in expr.match_indices("by (") {
        let inside = expr[at + word.len()..].split(')').next().unwrap();
        labels.extend(inside.split(',').map(|label| label.trim().to_owned()));
    }
    (metrics, labels)
}

/// A little of everything that is counted.
fn live_through(server: &Running) {
    let answer = ask(server.address, "POST", "/api/v1/events", b"no envelope");
    assert_eq!(answer.status, 422);
    // A statement that is logged already, so that a batch goes through the queue and is answered.
    let entry = get(server.address, "/api/v1/events/8").json();
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let envelope = engine.decode(entry["envelope"].as_str().unwrap()).unwrap();
    let path = "/api/v1/events?project=payments";
    let answer = ask(server.address, "POST", path, &envelope);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let key = std::fs::read_to_string(server.place.file("ci.pem")).unwrap();
    let key = verifier::signature::SigningKey::from_pkcs8_pem(&key).unwrap();
    let answer = ask(server.address, "POST", path, &note(server, &key));
    assert_eq!(answer.status, 201, "{}", answer.text());
    // One that has waited for an hour, and one that says so in words that are none.
    let late = serde_json::json!({ "envelope": engine.encode(note(server, &key)) }).to_string();
    let batch = "/api/v1/events/batch";
    for (waited, status) in [("3600", 200), ("an hour", 400)] {
        let header = format!("attestry-spooled: {waited}\r\n");
        let answer = ask_with(server.address, "POST", batch, &header, late.as_bytes());
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let evaluated = server.runtime.block_on(server.ledger.evaluate_open(Which::All)).unwrap();
    assert_eq!(evaluated.len(), 1);
}

fn note(server: &Running, key: &verifier::signature::SigningKey) -> Vec<u8> {
    use schemas::predicate::note::{self, Note};
    use schemas::statement::{Statement, Subject};
    let body = Note {
        ledger: server.ledger.origin().clone(),
        project: "payments".parse().unwrap(),
        nonce: server.ledger.nonce().unwrap(),
        text: "seen".into(),
        about: None,
    };
    let digest = format!("sha256:{:064x}", 7).parse().unwrap();
    let statement = Statement::new(vec![Subject::of(&digest, None)], note::TYPE, body);
    verifier::sign::sign_statement(&statement, &[key]).unwrap()
}

/// The released story with a request to prod that waits for people.
fn waiting() -> Place {
    let place = story::released();
    let ask = "attestry promote dist/app.zip --to prod --reason again --key mia.pem";
    place.expect(0, ask);
    place
}

#[test]
fn the_dashboard_asks_for_metrics_that_exist() {
    let server = Running::over(waiting());
    live_through(&server);
    let samples = samples(&server.scrape());
    let file = repository().join("docs/dashboards/attestry.json");
    let dashboard: serde_json::Value =
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut asked = BTreeSet::new();
    let panels = dashboard["panels"].as_array().unwrap();
    let exprs: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    assert!(exprs.len() > 15, "{}", exprs.len());
    for expr in exprs {
        let (metrics, labels) = named(expr);
        assert!(!metrics.is_empty(), "{expr}");
        for metric in &metrics {
            let known = samples.get(metric);
            let known = known.unwrap_or_else(|| panic!("{expr} asks for {metric}"));
            for label in labels.iter().filter(|label| *label != "instance") {
                assert!(known.contains(label), "{expr} asks {metric} for {label}: {known:?}");
            }
        }
        asked.extend(metrics);
    }
    // And nobody counts what nobody looks at.
    for metric in samples.keys() {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|it| metric.strip_suffix(it));
        let base = base.unwrap_or(metric);
        assert!(asked.iter().any(|it| it.starts_with(base)), "no panel shows {metric}");
    }
    // Every data source is a variable of the dashboard itself.
    assert!(!dashboard.to_string().contains("grafana.com"));
    for panel in panels {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
    }
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
}

#[test]
fn metrics_count_what_has_happened() {
    let server = Running::over(waiting());
    live_through(&server);
    let text = server.scrape();
    let size = server.runtime.block_on(server.ledger.size()).unwrap() as f64;
    for (sample, expected) in [
        ("attestry_ready ", 1.0),
        ("attestry_log_entries{} ", size),
        ("attestry_checkpoint_entries{} ", size),
        ("attestry_events_total{kind=\"note\"}", 2.0),
        ("attestry_spool_age_seconds_count", 1.0),
        ("attestry_spool_age_seconds_sum", 3600.0),
        ("attestry_verification_failures_total{code=\"envelope-malformed\"}", 1.0),
        ("attestry_append_duration_seconds_count", 4.0),
        ("attestry_append_batch_events_sum", 4.0),
        ("attestry_append_queue_callers ", 0.0),
        ("attestry_promotions_open{project=\"payments\",environment=\"prod\"}", 1.0),
        ("attestry_promotions_open{project=\"payments\",environment=\"staging\"}", 0.0),
        (
            "attestry_http_request_duration_seconds_count{method=\"POST\",\
             route=\"/api/v1/events\",status=\"2xx\"}",
            2.0,
        ),
        (
            "attestry_http_request_duration_seconds_count{method=\"GET\",\
             route=\"/api/v1/events/{index}\",status=\"2xx\"}",
            1.0,
        ),
    ] {
        assert_eq!(value(&text, sample), expected, "{sample}\n{text}");
    }
    // The server asks by itself too.
    let waiting = "attestry_gate_verdicts_total{project=\"payments\",environment=\"prod\",\
                   gate=\"approvals\",verdict=\"waiting\"}";
    assert!(value(&text, waiting) >= 1.0, "{text}");
    assert!(value(&text, "attestry_checkpoint_age_seconds{} ") < 600.0, "{text}");
    assert!(!text.contains("attestry_events_total{kind=\"test\"}"), "a repeat logs nothing");
    // A path nobody has is no label, and neither is a method nobody knows.
    get(server.address, "/no/such/path/4711");
    ask(server.address, "BREW", "/checkpoint", b"");
    let text = server.scrape();
    assert!(!text.contains("4711") && !text.contains("BREW"), "{text}");
    assert!(text.contains("route=\"none\",status=\"4xx\""), "{text}");
    assert!(text.contains("method=\"other\""), "{text}");
    // The metrics are on their own port alone, and nothing else is on it.
    assert_eq!(get(server.address, "/metrics").status, 404);
    assert_eq!(get(server.metrics, "/checkpoint").status, 404);
}

/// Waits until an answer has come, or half a minute.
fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_server_on_a_log_that_was_cut_is_not_ready() {
    let server = Running::over(story::team());
    assert_eq!(get(server.address, "/readyz").status, 200);
    // Another process has published more than this database has: it was put back.
    let longer = story::released();
    let newer = std::fs::read(longer.file("ledger/checkpoint")).unwrap();
    std::fs::write(server.place.file("ledger/checkpoint"), newer).unwrap();
    let answer = get(server.address, "/readyz");
    assert_eq!((answer.status, &answer.json()["code"]), (503, &"forked".into()));
    assert_eq!(value(&server.scrape(), "attestry_ready "), 0.0);
    assert!(!server.scrape().contains("attestry_log_entries{"));
    assert_eq!(get(server.address, "/healthz").status, 200);
}

#[test]
fn a_server_without_its_database_is_alive_and_not_ready() {
    let Some(database) = harness::postgres::own_server() else { return };
    let place = story::team();
    place.expect(0, &format!("attestry move --to {}", database.database()));
    let server = Running::over(place);
    assert_eq!(get(server.address, "/readyz").status, 200);
    drop(database);
    until("readiness ends with the database", || get(server.address, "/readyz").status >= 500);
    assert_eq!(get(server.address, "/healthz").status, 200);
    assert_eq!(value(&server.scrape(), "attestry_ready "), 0.0);
}

/// The files of the checkpoint are ahead of whoever looked at the database a moment ago.
#[test]
fn a_log_that_grows_is_not_taken_for_one_that_was_cut() {
    let server = Running::over(story::team());
    let pem = std::fs::read_to_string(server.place.file("ci.pem")).unwrap();
    let key = verifier::signature::SigningKey::from_pkcs8_pem(&pem).unwrap();
    std::thread::scope(|scope| {
        let write = || {
            for _ in 0..30 {
                let answer = ask(server.address, "POST", "/api/v1/events", &note(&server, &key));
                assert_eq!(answer.status, 201, "{}", answer.text());
            }
        };
        let writers = [scope.spawn(write), scope.spawn(write), scope.spawn(write)];
        while writers.iter().any(|writer| !writer.is_finished()) {
            let answer = get(server.address, "/readyz");
            assert_eq!(answer.status, 200, "{}", answer.text());
            server.place.expect(0, "attestry log --limit 1");
        }
    });
}
