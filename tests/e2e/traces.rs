//! Traces over OTLP, received by a collector of our own: a CI job's trace is continued by the command
//! and by the server, and everything about a promotion names it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use harness::http::ask_with;
use harness::{Place, story, words};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

const LINE: &str = "ATTESTRY_TRACES_LINE";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const JOB: &str = "b7ad6b7169203331";

/// A command line in a process of its own, whose log and traces are the process's.
///
/// Does nothing where no parent has named a line.
#[test]
fn child_that_runs_a_command_line() {
    let Ok(line) = std::env::var(LINE) else {
        return;
    };
    let (mut stdin, mut stdout, mut stderr) =
        (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let mut io = ::cli::Io::of_process(&mut stdin, &mut stdout, &mut stderr);
    let code = ::cli::run(words(&line).into_iter().map(Into::into), &mut io);
    std::process::exit(code.into());
}

/// Spans as a collector receives them.
struct Collector {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&spans);
        // Ends with the process, as the connections do.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || receive(stream, &kept));
            }
        });
        Collector { address, spans }
    }

    fn named(&self, name: &str) -> Vec<Span> {
        let spans = self.spans.lock().unwrap();
        spans.iter().filter(|span| span.name == name).cloned().collect()
    }

    /// The one span of this name, once it has come.
    fn one(&self, name: &str) -> Span {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            match self.named(name).as_slice() {
                [one] => return one.clone(),
                [] => assert!(Instant::now() < end, "no span {name}: {:?}", self.names()),
                _ => panic!("several spans {name}"),
            }
            std::thread::yield_now();
        }
    }

    fn names(&self) -> Vec<String> {
        self.spans.lock().unwrap().iter().map(|span| span.name.clone()).collect()
    }
}

/// Answers what a collector answers, and keeps what it was sent.
fn receive(stream: TcpStream, kept: &Mutex<Vec<Span>>) {
    let mut answers = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        if length == 0 || reader.read_exact(&mut body).is_err() {
            return;
        }
        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        let scopes = request.resource_spans.into_iter().flat_map(|it| it.scope_spans);
        kept.lock().unwrap().extend(scopes.flat_map(|it| it.spans));
        let _ = answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
}

fn text(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|it| it.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn child(place: &Place, collector: &Collector, line: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["traces::child_that_runs_a_command_line", "--exact", "--nocapture"]);
    command.current_dir(place.path()).env(LINE, line);
    command.env("ATTESTRY_STATE", place.file("state")).env("ATTESTRY_PROJECT", "payments");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", collector.address));
    command.env("OTEL_BSP_SCHEDULE_DELAY", "50").stdin(Stdio::null());
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    command
}

/// Runs a command as a CI job does, and waits for its end.
fn run(place: &Place, collector: &Collector, line: &str) {
    let mut command = child(place, collector, line);
    let output = command.env("TRACEPARENT", format!("00-{TRACE}-{JOB}-01")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "$ {line}\n{said}");
}

#[test]
fn a_promotion_is_one_trace_from_the_job_to_the_decision() {
    let place = story::released();
    let asked = Collector::start();
    let line = "attestry promote dist/app.zip --to prod --reason again --key mia.pem";
    run(&place, &asked, line);
    let command = asked.one("command");
    assert_eq!((hex(&command.trace_id), hex(&command.parent_span_id)), (TRACE.into(), JOB.into()));
    assert_eq!(text(&command, "attestry.promotion.id").as_deref(), Some("P-37"));
    let evaluate = asked.named("evaluate");
    assert!(!evaluate.is_empty(), "{:?}", asked.names());
    for span in evaluate {
        assert_eq!(hex(&span.trace_id), TRACE);
        assert_eq!(text(&span, "environment").as_deref(), Some("payments/prod"));
        let of_request = text(&span, "attestry.promotion.id");
        assert!(of_request.is_none_or(|id| id == "P-37"));
    }
    place.expect(0, "attestry approve P-37 --reason seen --key bob.pem");
    let granted = Collector::start();
    run(&place, &granted, "attestry approve P-37 --reason seen --key carol.pem");
    let decide = granted.one("decide");
    assert_eq!(text(&decide, "attestry.promotion.id").as_deref(), Some("P-37"));
    assert_eq!(hex(&decide.trace_id), TRACE);
    let command = granted.one("command");
    assert_eq!(text(&command, "attestry.promotion.id").as_deref(), Some("P-37"));
}

/// A server in a child, stopped as an operator stops it.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(place: &Place, collector: &Collector) -> Server {
        let line = "attestry serve --listen 127.0.0.1:0 --json --log-format json";
        let mut command = child(place, collector, line);
        let log = std::fs::File::create(place.file("log")).unwrap();
        command.env("ATTESTRY_LOG", "info").stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let address = stdout.lines().map_while(Result::ok).find_map(|line| {
            let json = line.get(line.find('{')?..)?;
            let said: serde_json::Value = serde_json::from_str(json).ok()?;
            said["listening"].as_str()?.parse().ok()
        });
        Server { child, address: address.expect("a server that listens") }
    }

    fn stop(mut self) {
        let line = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A signed request to promote the archive to prod.
fn request(place: &Place) -> Vec<u8> {
    use schemas::id::Digest;
    use schemas::predicate::promotion_request::{self, PromotionRequest, RequestPath};
    use schemas::statement::{Statement, Subject};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (folder, state) = (place.file("ledger"), place.file("state"));
    let ledger = runtime.block_on(ledger::Ledger::open(&folder, &state)).unwrap();
    let body = PromotionRequest {
        ledger: ledger.origin().clone(),
        project: "payments".parse().unwrap(),
        nonce: ledger.nonce().unwrap(),
        to: "prod".parse().unwrap(),
        reason: "again".into(),
        path: RequestPath::Normal,
        withdraws: None,
        incident: None,
        ticket: None,
        plans: None,
        seen: runtime.block_on(ledger.seen()).unwrap(),
    };
    let bytes = std::fs::read(place.file("dist/app.zip")).unwrap();
    let digest = Digest::sha256(&verifier::merkle::sha256(&[&bytes]));
    let key = std::fs::read_to_string(place.file("mia.pem")).unwrap();
    let key = verifier::signature::SigningKey::from_pkcs8_pem(&key).unwrap();
    runtime.block_on(ledger.close());
    let statement = Statement::new(vec![Subject::of(&digest, None)], promotion_request::TYPE, body);
    verifier::sign::sign_statement(&statement, &[&key]).unwrap()
}

#[test]
fn a_server_continues_its_callers_trace_and_logs_a_line() {
    let place = story::released();
    let (collector, envelope) = (Collector::start(), request(&place));
    let made = place.expect(0, "attestry token create --identity mia --expires 1d --json");
    let made: serde_json::Value = serde_json::from_str(&made.stdout).unwrap();
    let token = made["token"].as_str().unwrap();
    let server = Server::start(&place, &collector);
    let headers = format!(
        "traceparent: 00-{TRACE}-{JOB}-01\r\nauthorization: Bearer {token}\r\ncookie: c00kie\r\n"
    );
    let path = "/api/v1/events?project=payments";
    let answer = ask_with(server.address, "POST", path, &headers, &envelope);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["index"], 37);
    let request_id = answer.header("x-request-id").unwrap().to_owned();
    let answer = ask_with(server.address, "GET", "/healthz", "", b"");
    assert_eq!(answer.status, 200);
    server.stop();

    let span = collector.one("POST /api/v1/events");
    assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.into(), JOB.into()));
    assert_eq!(text(&span, "attestry.promotion.id").as_deref(), Some("P-37"));
    assert_eq!(text(&span, "http.response.status_code").as_deref(), Some("201"));
    let append = collector.one("append");
    assert!(append.links.iter().any(|link| link.span_id == span.span_id), "{append:?}");

    let log = std::fs::read_to_string(place.file("log")).unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let answered: Vec<_> = lines.iter().filter(|it| it["message"] == "answered").collect();
    let [line] = answered.as_slice() else {
        panic!("one line for one request, none for probes:\n{log}")
    };
    assert_eq!((&line["level"], &line["status"]), (&"INFO".into(), &201.into()));
    assert!(line["ms"].as_f64().is_some_and(|ms| ms > 0.0), "{line}");
    assert_eq!(line["span"]["http.request.method"], "POST");
    assert_eq!(line["span"]["http.route"], "/api/v1/events");
    assert_eq!(line["span"]["caller"], "mia");
    assert_eq!(line["span"]["request_id"], request_id.as_str());
    for secret in [token, "c00kie", "project=payments"] {
        assert!(!log.contains(secret), "{log}");
    }
}
