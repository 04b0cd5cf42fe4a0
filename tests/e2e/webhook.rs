//! Webhooks: signed, tried again under one id, told once, and told although a server was killed.

mod overdue;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver as Incoming, Sender, channel};
use std::time::Duration;

use harness::{Place, repository, story};
use ledger::http::Settings;
use ledger::outgoing::Reach;
use ledger::store::outbox::{NOTICE, REVIEW_NOTICE};
use ledger::webhook;
use serde_json::Value;

use crate::serve::{Running, opened};

const PATIENCE: Duration = Duration::from_secs(40);
const FOLDER: &str = "ATTESTRY_WEBHOOK_FOLDER";

/// A request as it came.
#[derive(Debug, Clone)]
struct Message {
    path: String,
    id: String,
    timestamp: String,
    signature: String,
    body: String,
}

impl Message {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }
}

/// Somebody else's server: answers with the statuses that it was given, then with 204.
struct Receiver {
    address: SocketAddr,
    came: Incoming<Message>,
    stop: Arc<AtomicBool>,
}

/// Takes the request, and answers only when the connection ends.
const SILENCE: u16 = 0;

impl Receiver {
    fn start<const N: usize>(statuses: [u16; N]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, came) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, mut statuses) = (Arc::clone(&stop), statuses.into_iter());
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                take(stream, statuses.next().unwrap_or(204), &sender);
            }
        });
        Receiver { address, came, stop }
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    fn next(&self) -> Message {
        self.came.recv_timeout(PATIENCE).expect("a webhook in time")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn take(stream: TcpStream, status: u16, sender: &Sender<Message>) {
    let mut reader = BufReader::new(&stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let found = head.iter().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        found.unwrap_or_default().to_owned()
    };
    assert_eq!(header("content-type"), "application/json");
    let mut body = vec![0; header("content-length").parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let message = Message {
        path: head[0].clone(),
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: String::from_utf8(body).unwrap(),
    };
    let _ = sender.send(message);
    if status == SILENCE {
        let _ = reader.read(&mut [0]);
        return;
    }
    let _ =
        write!(&stream, "HTTP/1.1 {status} -\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

/// A server that may tell this machine, and does not wait long.
fn settings() -> Settings {
    let first_wait = Duration::from_millis(20);
    let webhooks = webhook::Settings { reach: Reach::Anywhere, first_wait };
    Settings { webhooks, ..opened() }
}

const POLICY: &str = "apiVersion: attestry/policy/v1
project: payments
environments:
  - name: dev
    gates: []
";

/// A ledger in which anything may enter dev, and a receiver is told.
fn place(receiver: &Receiver, options: &str) -> Place {
    let place = story::team();
    place.write("dev.yaml", POLICY);
    place.expect(0, "attestry policy set dev.yaml --key mia.pem");
    place.expect(0, &format!("attestry webhook add {} {options}", receiver.url()));
    place
}

fn promote(place: &Place, subject: &str) {
    let line = format!("attestry promote {subject} --to dev --reason x --key mia.pem");
    place.expect(0, &line);
}

/// Runs the recipe of the documentation, which uses nothing of ours.
fn assert_signed(key: &str, message: &Message) {
    let text = std::fs::read_to_string(repository().join("docs/webhooks.md")).unwrap();
    let recipe = text.split("```sh\n").find(|block| block.contains("openssl")).unwrap();
    let recipe = recipe.split("```").next().unwrap();
    let verify = |body: &str| {
        let folder = Place::new();
        folder.write("body.json", body);
        let mut shell = Command::new("sh");
        shell.current_dir(folder.path()).args(["-e", "-c", recipe]);
        shell.env("KEY", key).env("ID", &message.id).env("TIMESTAMP", &message.timestamp);
        shell.env("SIGNATURE", &message.signature).output().unwrap()
    };
    let told = verify(&message.body);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let changed = message.body.replace("dev", "prod");
    assert!(changed == message.body || !verify(&changed).status.success());
}

fn deliveries(place: &Place) -> Vec<Value> {
    let listed = place.expect(0, "attestry webhook deliveries --json").stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    listed["deliveries"].as_array().unwrap().clone()
}

fn until<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        match found() {
            Some(found) => return found,
            None => assert!(std::time::Instant::now() < end, "waited in vain"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn what_happens_is_told_signed_and_under_one_id_until_it_is_accepted() {
    let receiver = Receiver::start([500, 500]);
    let place = place(&receiver, "--kind promotion-request --kind decision --project payments");
    let key = place.expect(0, "attestry webhook key").stdout.trim().to_owned();
    let server = Running::with(place.copy(), settings());
    // What another process logs is told too.
    promote(&server.place, "dist/app.zip");
    let mut told: Vec<Message> = (0..4).map(|_| receiver.next()).collect();
    told.iter().for_each(|message| assert_signed(&key, message));
    assert!(told.iter().all(|message| message.path == "POST /hook HTTP/1.1"));
    // Two were refused and came again: as they were, under the id that they had.
    let ids: BTreeSet<&str> = told.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids.len(), 2, "{told:#?}");
    assert!(ids.iter().all(|id| !id.contains('.')));
    told.sort_by_key(|message| message.json()["data"]["index"].as_u64());
    for pair in told.windows(2).filter(|pair| pair[0].id == pair[1].id) {
        assert_eq!(pair[0].body, pair[1].body);
    }
    let (asked, granted) = (told[0].json(), told[3].json());
    assert_eq!(
        (&asked["type"], &granted["type"]),
        (&"promotion.requested".into(), &"promotion.granted".into())
    );
    assert_eq!(granted["data"]["request"], asked["data"]["request"]);
    assert_eq!(granted["data"]["environment"], "payments/dev");
    // The receipt is where it says.
    let path = granted["data"]["receipt"].as_str().unwrap();
    let receipt = harness::http::get(server.address, path);
    assert!(receipt.text().starts_with("c2sp.org/tlog-proof@v1\n"), "{}", receipt.text());
    assert_documented(&granted);
    // Replayed: the same once more.
    let list = until(|| {
        let list = deliveries(&server.place);
        list.iter().all(|it| !it["delivered"].is_null()).then_some(list)
    });
    assert_eq!(list.iter().map(|it| it["attempts"].as_u64().unwrap()).sum::<u64>(), 4);
    let number = list[0]["id"].as_u64().unwrap();
    server.place.expect(0, &format!("attestry webhook replay {number}"));
    server.place.expect(5, "attestry webhook replay 999");
    let again = receiver.next();
    assert_eq!((again.id, again.body), (told[3].id.clone(), told[3].body.clone()));
    server.stop();
}

/// The example and the tables of the documentation say what is sent.
fn assert_documented(granted: &Value) {
    let text = std::fs::read_to_string(repository().join("docs/webhooks.md")).unwrap();
    let example = text.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    let members = |value: &Value| -> Vec<String> {
        let object = value.as_object().unwrap();
        object.keys().chain(object["data"].as_object().unwrap().keys()).cloned().collect()
    };
    assert_eq!(members(&example), members(granted));
    let source = include_str!("../../ledger/src/webhook/message.rs");
    let types = source.split('"').filter(|word| {
        ["promotion.", "approval.", "emergency.", "deployment.", "policy.", "trust."]
            .iter()
            .any(|start| word.len() > start.len() && word.starts_with(start))
    });
    let types: BTreeSet<&str> = types.collect();
    assert!(types.len() >= 12, "{types:?}");
    for kind in types.into_iter().chain([NOTICE, REVIEW_NOTICE]) {
        assert!(text.contains(&format!("`{kind}`")), "{kind} is not documented");
    }
}

#[test]
fn a_deployment_that_nothing_granted_is_told_as_such() {
    let receiver = Receiver::start([]);
    let place = place(&receiver, "--kind deployment --kind trust");
    let server = Running::with(place, settings());
    let deploy = "attestry record deployment --subject dist/app.zip --to dev --result succeeded";
    server.place.expect(3, &format!("{deploy} --key ci.pem"));
    let told = receiver.next();
    assert_eq!(told.kind(), "deployment.without_grant");
    server.place.expect(0, "attestry identity revoke carol --key attestry-root.pem");
    let told = receiver.next();
    assert_eq!(
        (told.kind().as_str(), &told.json()["data"]["project"]),
        ("trust.changed", &Value::Null)
    );
    server.stop();
}

/// Two servers, which both see everything, tell each outcome once.
#[test]
fn several_servers_tell_each_outcome_once() {
    const PROMOTIONS: usize = 6;
    let Some(database) = harness::postgres::server() else { return };
    let receiver = Receiver::start([503]);
    let place = story::team();
    place.write("dev.yaml", POLICY);
    place.expect(0, "attestry policy set dev.yaml --key mia.pem");
    place.expect(0, &format!("attestry move --to {}", database.database()));
    place.expect(0, &format!("attestry webhook add {} --kind decision", receiver.url()));
    let servers = [place.copy(), place.copy()].map(|place| Running::with(place, settings()));
    for nth in 0..PROMOTIONS {
        place.write(&format!("dist/{nth}.zip"), format!("archive {nth}"));
        promote(&place, &format!("dist/{nth}.zip"));
    }
    let all_delivered = || {
        let list = deliveries(&place);
        let done = list.len() == PROMOTIONS && list.iter().all(|it| !it["delivered"].is_null());
        done.then_some(())
    };
    until(all_delivered);
    for server in servers {
        server.stop();
    }
    let told: Vec<Message> = receiver.came.try_iter().collect();
    let ids: BTreeSet<String> = told.iter().map(|message| message.id.clone()).collect();
    // One attempt was refused, and that one alone came again.
    assert_eq!((told.len(), ids.len()), (PROMOTIONS + 1, PROMOTIONS));
    let indexes = |it: &Message| it.json()["data"]["request"].as_str().unwrap().to_owned();
    assert_eq!(told.iter().map(indexes).collect::<BTreeSet<_>>().len(), PROMOTIONS);
}

#[test]
fn a_private_address_is_told_nothing_unless_the_operator_opens_it() {
    let receiver = Receiver::start([]);
    let place = place(&receiver, "--kind decision");
    let server = Running::with(place, opened());
    promote(&server.place, "dist/app.zip");
    let refused = until(|| {
        let it = deliveries(&server.place).pop()?;
        it["answer"].as_str().map(str::to_owned)
    });
    assert!(refused.contains("127.0.0.1 is no public address"), "{refused}");
    let place = server.stop();
    assert!(receiver.came.try_recv().is_err());
    // Opened, what has waited is delivered, though not before it is due.
    let server = Running::with(place, settings());
    assert_eq!(receiver.next().kind(), "promotion.granted");
    server.stop();
}

#[test]
fn a_receiver_that_is_gone_is_told_nothing_more() {
    let receiver = Receiver::start([410]);
    let place = place(&receiver, "--kind decision");
    let server = Running::with(place, settings());
    promote(&server.place, "dist/app.zip");
    receiver.next();
    let disabled = until(|| {
        let listed = server.place.expect(0, "attestry webhook list --json").stdout;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        listed["endpoints"][0]["disabled"].as_str().map(str::to_owned)
    });
    assert_eq!(disabled, "410 Gone");
    server.place.expect(0, "attestry webhook remove 1");
    server.place.expect(5, "attestry webhook remove 1");
    server.stop();
}

/// The child: a server, for ever. Does nothing where no parent has named a folder.
#[test]
fn child_that_serves_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let ledger = crate::serve::open(folder.as_ref()).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let never = std::future::pending();
        ledger::http::serve(Arc::new(ledger), settings(), listener, never).await.unwrap();
    });
}

#[test]
fn what_a_killed_server_was_telling_is_told_by_the_next() {
    let receiver = Receiver::start([SILENCE]);
    let place = place(&receiver, "--kind decision");
    promote(&place, "dist/app.zip");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["webhook::child_that_serves_until_it_is_killed", "--exact"])
        .env(FOLDER, place.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let first = receiver.next();
    // In the middle of the delivery: the receiver has it, and has not answered.
    child.kill().unwrap();
    child.wait().unwrap();
    let server = Running::with(place, settings());
    let second = receiver.next();
    assert_eq!((&second.id, &second.body), (&first.id, &first.body));
    until(|| deliveries(&server.place)[0]["delivered"].as_str().map(drop));
    server.stop().expect(0, "attestry verify --trust ledger/pin.txt");
}
