//! What happens around a promotion, by command line: recorded from the files that tools write,
//! waived, frozen, taken back.

use harness::{Place, story};
use serde_json::{Value, json};

fn told(place: &Place, code: u8, line: &str) -> Value {
    serde_json::from_str(&place.expect(code, &format!("{line} --json")).stdout).unwrap()
}

/// The team, and `ops`, who records what happens in environments.
fn team() -> Place {
    let place = story::team();
    place.write(
        "open.yaml",
        "apiVersion: attestry/policy/v1\nproject: payments\nenvironments:\n  - name: prod\n    gates: []\n",
    );
    place.expect(0, "attestry policy set open.yaml --key mia.pem");
    place.expect(0, "attestry key generate ops.pem");
    let kinds = "--kind canary --kind configuration --kind observation --kind rehearsal \
                 --kind migration --kind vex --kind deployment --kind measurement";
    place.expect(
        0,
        &format!(
            "attestry identity add ops --pub ops.pem.pub --role emitter {kinds} \
             --project payments --key attestry-root.pem"
        ),
    );
    place
}

fn digest(place: &Place, file: &str) -> String {
    let bytes = std::fs::read(place.file(file)).unwrap();
    format!("sha256:{}", verifier::merkle::sha256(&[&bytes]))
}

#[test]
fn what_tools_write_is_recorded() {
    let place = team();
    let app = digest(&place, "dist/app.zip");
    let hex = app.trim_start_matches("sha256:");
    // As `kubectl get analysisrun NAME -o json` prints it, cut to what is read.
    place.write(
        "run.json",
        r#"{"apiVersion":"argoproj.io/v1alpha1","kind":"AnalysisRun","status":{"phase":"Successful",
        "startedAt":"2026-01-05T09:00:00Z","completedAt":"2026-01-05T09:30:00Z","metricResults":[
        {"name":"error-rate","count":6,"successful":6,"measurements":[{"value":"0.12"}]}]}}"#,
    );
    let line = "attestry record canary run.json --subject dist/app.zip --to prod --key ops.pem";
    let canary = told(&place, 0, line);
    assert_eq!(canary["logged"][0]["kind"], "canary");
    place.expect(2, "attestry record canary run.json --subject dist/app.zip --key ops.pem");
    place.expect(4, &line.replace("ops.pem", "ci.pem"));
    place.write(
        "vex.json",
        format!(
            r#"{{"@context":"https://openvex.dev/ns/v0.2.0","statements":[{{"vulnerability":
            {{"name":"CVE-2026-2222"}},"products":[{{"@id":"pkg:oci/app@sha256%3A{hex}"}}],
            "status":"not_affected","justification":"vulnerable_code_not_present"}}]}}"#
        ),
    );
    place.expect(0, "attestry record vex vex.json --subject dist/app.zip --key ops.pem");
    let other = place.expect(3, "attestry record vex vex.json --subject dist/rc.zip --key ops.pem");
    assert!(other.stderr.contains("report-names-other-subject"), "{}", other.stderr);
    place.write(
        "k6.json",
        r#"{"state":{},"metrics":{"http_req_duration":{"contains":"time","values":{"p(95)":30.5}}}}"#,
    );
    place.expect(0, "attestry record measurement k6.json --subject dist/app.zip --key ops.pem");
    place.write("migration.json", format!(r#"{{"migrations":"{app}","reversible":true}}"#));
    place
        .expect(0, "attestry record migration migration.json --subject dist/app.zip --key ops.pem");
    place.write("rehearsal.json", r#"{"of":"migration","result":"passed"}"#);
    let line =
        "attestry record rehearsal rehearsal.json --subject dist/app.zip --to prod --key ops.pem";
    place.expect(0, line);
    place.write("configuration.json", format!(r#"{{"state":"applied","digest":"{app}"}}"#));
    place.expect(0, "attestry record configuration configuration.json --to prod --key ops.pem");
    place.write(
        "incident.json",
        r#"{"id":"INC-1","status":"opened","severity":"sev2","at":"2026-01-05T10:00:00.000Z","summary":"slow"}"#,
    );
    place.expect(0, "attestry record incident incident.json --to prod --key ops.pem");
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn what_runs_is_observed_and_gone_back_from() {
    let place = team();
    let (app, rc) = (digest(&place, "dist/app.zip"), digest(&place, "dist/rc.zip"));
    let pod = |id: &str| {
        format!(
            r#"{{"status":{{"containerStatuses":[{{"image":"r.example/app:1.4.2","imageID":"{id}",
            "name":"app","state":{{"running":{{}}}}}}]}}}}"#
        )
    };
    let pods = |pods: &[String]| format!(r#"{{"kind":"List","items":[{}]}}"#, pods.join(","));
    let pinned = format!("r.example/app@{app}");
    place.write("pods.json", pods(&[pod(&pinned), pod(&pinned)]));
    let seen = told(&place, 0, "attestry observe prod --file pods.json --key ops.pem");
    assert_eq!((&seen["artifacts"], &seen["instances"]), (&Value::from(1), &Value::from(2)));
    place.write("unpinned.json", pods(&[pod(&pinned), pod("")]));
    let refused = place.expect(2, "attestry observe prod --file unpinned.json --key ops.pem");
    assert!(refused.stderr.contains("no-digest"), "{}", refused.stderr);
    let deploy = "attestry record deployment --to prod --result succeeded --key ops.pem --subject";
    for file in ["rc", "app"] {
        let line = format!("attestry promote dist/{file}.zip --to prod --reason r --key mia.pem");
        place.expect(0, &line);
        place.expect(0, &format!("{deploy} dist/{file}.zip"));
    }
    let back = "attestry record rollback --to prod --result succeeded --reason INC-1 --key ops.pem \
                --subject dist/rc.zip";
    place.expect(2, back);
    place.expect(2, &format!("{back} --from {rc}x"));
    place.expect(0, &format!("{back} --from {app}"));
    let again = place.expect(3, &format!("{back} --from sha256:{}", "ab".repeat(32)));
    assert!(again.stderr.contains("illegal-move"), "{}", again.stderr);
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn exceptions_are_made_and_taken_back() {
    let place = team();
    let waive = "attestry waive vulnerabilities --to prod --role security --reason unreachable \
                 --expires 2100-01-01";
    let waived = told(&place, 0, &format!("{waive} --key carol.pem"));
    place.expect(4, &format!("{waive} --key mia.pem"));
    place.expect(3, &format!("{} --key carol.pem", waive.replace("2100", "2000")));
    let index = waived["index"].as_u64().unwrap();
    let take_back = format!("attestry waive --withdraw {index} --reason mended --key carol.pem");
    place.expect(0, &take_back);
    place.expect(3, &take_back);
    let freeze = "attestry freeze --to prod --until 2100-01-01 --reason holidays";
    let frozen = told(&place, 0, &format!("{freeze} --key mia.pem"));
    place.expect(4, &format!("{freeze} --key carol.pem"));
    place.expect(4, &format!("{} --all-projects --key mia.pem", freeze.replace("--to prod ", "")));
    let index = frozen["index"].as_u64().unwrap();
    place.expect(0, &format!("attestry freeze --lift {index} --reason over --key mia.pem"));
    place.expect(5, "attestry freeze --lift 0 --reason over --key mia.pem");
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}

/// The index that a line of `record` got.
fn logged(place: &Place, line: &str) -> u64 {
    told(place, 0, line)["logged"][0]["index"].as_u64().unwrap()
}

/// What was signed at an entry.
fn signed(place: &Place, entry: u64) -> Value {
    told(place, 0, &format!("attestry show {entry}"))["payload"].clone()
}

/// An artifact that was promoted and deployed, replaced, and deployed again.
struct Deployed {
    place: Place,
    request: String,
    entries: [u64; 2],
    /// When the first deployment was logged.
    time: String,
}

fn deployed() -> Deployed {
    let place = team();
    let asked = "attestry promote dist/app.zip --to prod --reason 1.4.2 --key mia.pem";
    let request = told(&place, 0, asked)["request"].as_str().unwrap().to_owned();
    let deploy = "attestry record deployment --to prod --result succeeded --key ops.pem";
    let app = format!("{deploy} --subject dist/app.zip --promotion {request}");
    let first = logged(&place, &app);
    let time = told(&place, 0, &format!("attestry show {first}"))["time"].clone();
    place.expect(0, "attestry promote dist/rc.zip --to prod --reason rc1 --key mia.pem");
    place.expect(0, &format!("{deploy} --subject dist/rc.zip"));
    let again = logged(&place, &app);
    Deployed { place, request, entries: [first, again], time: time.as_str().unwrap().to_owned() }
}

#[test]
fn an_incident_is_attached_in_each_way() {
    let Deployed { place, request, entries: [first, again], time } = deployed();
    let app = digest(&place, "dist/app.zip");
    let incident = |id: &str, more: &str| {
        let text = format!(
            r#"{{"id":"{id}","status":"opened","severity":"sev2","at":"2026-01-05T10:00:00Z","summary":"slow"{more}}}"#
        );
        place.write("incident.json", text);
    };
    let line = "attestry record incident incident.json --key ops.pem";
    let number: u64 = request[2..].parse().unwrap();
    for (id, options, cause) in [
        ("INC-1", format!("--promotion {request}"), json!({ "promotion": number })),
        ("INC-2", format!("--deployment {again}"), json!({ "deployment": again })),
        (
            "INC-3",
            "--subject dist/app.zip --to prod --at 2100-01-01".to_owned(),
            json!({ "deployment": again }),
        ),
    ] {
        incident(id, "");
        let told = told(&place, 0, &format!("{line} {options}"));
        let payload = signed(&place, told["logged"][0]["index"].as_u64().unwrap());
        assert_eq!(payload["predicate"]["cause"], cause, "{options}");
        assert_eq!(payload["predicate"]["environment"], "prod", "{options}");
        assert_eq!(
            format!("sha256:{}", payload["subject"][0]["digest"]["sha256"].as_str().unwrap()),
            app
        );
        assert_eq!(
            told["about"].as_u64(),
            cause.as_object().unwrap().values().next().unwrap().as_u64()
        );
        // It goes on with the artifact that it is attributed to.
        incident(id, "");
        let text = std::fs::read_to_string(place.file("incident.json")).unwrap();
        place.write("incident.json", text.replace("opened", "resolved"));
        place.expect(0, &format!("{line} --subject dist/app.zip --to prod"));
    }
    incident("INC-4", "");
    // The environment remembers the artifact's newest deployment, not every one before it.
    let forgotten =
        place.expect(3, &format!("{line} --subject dist/app.zip --to prod --at {time}"));
    assert!(forgotten.stderr.contains("incident-mismatch"), "{}", forgotten.stderr);
    place.expect(3, &format!("{line} --deployment {first}"));
    place.expect(3, &format!("{line} --deployment {again} --subject dist/rc.zip"));
    place.expect(2, &format!("{line} --deployment {again} --promotion {request}"));
    place.expect(2, &format!("{line} --deployment {again} --at {time}"));
    place.expect(2, &format!("{line} --to prod --at {time}"));
    place.expect(5, &format!("{line} --deployment 4711"));
    incident("INC-4", r#","cause":{"deployment":1}"#);
    let twice = place.expect(2, &format!("{line} --deployment {again}"));
    assert!(twice.stderr.contains("the file says \"cause\""), "{}", twice.stderr);
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn a_canary_is_attached_in_each_way() {
    let Deployed { place, request, entries: [first, _], .. } = deployed();
    let number: u64 = request[2..].parse().unwrap();
    place.write(
        "run.json",
        r#"{"apiVersion":"argoproj.io/v1alpha1","kind":"AnalysisRun","status":{"phase":"Successful",
        "startedAt":"2026-01-05T09:00:00Z","completedAt":"2026-01-05T09:30:00Z","metricResults":[
        {"name":"error-rate","count":6,"successful":6,"measurements":[{"value":"0.12"}]}]}}"#,
    );
    place.write(
        "canary.json",
        r#"{"verdict":"passed","startedAt":"2026-01-05T09:00:00Z","finishedAt":"2026-01-05T09:30:00Z"}"#,
    );
    let by_digest = "--subject dist/app.zip --to prod";
    for (options, promotion) in [
        (format!("--promotion {request}"), json!(number)),
        (format!("--deployment {first}"), json!(number)),
        (format!("{by_digest} --promotion {request}"), json!(number)),
        (by_digest.to_owned(), Value::Null),
    ] {
        for file in ["run.json", "canary.json"] {
            let line = format!("attestry record canary {file} {options} --key ops.pem");
            let payload = signed(&place, logged(&place, &line));
            assert_eq!(payload["predicate"]["promotion"], promotion, "{line}");
            assert_eq!(payload["predicate"]["environment"], "prod", "{line}");
        }
    }
    let line = "attestry record canary run.json --key ops.pem";
    place.expect(2, &format!("{line} {by_digest} --at 2026-01-05"));
    let other = "attestry record deployment --result started --deployment 1 --key ops.pem";
    let other = place.expect(2, &format!("{other} {by_digest}"));
    assert!(other.stderr.contains("--deployment is for note"), "{}", other.stderr);
    place.expect(3, &format!("{line} --subject dist/rc.zip --promotion {request}"));
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}

#[test]
fn a_postmortem_is_shown_with_its_deployment() {
    let Deployed { place, request, entries: [first, again], time } = deployed();
    let note = "attestry record note --key alice.pem --text";
    let about = |options: &str| told(&place, 0, &format!("{note} \"why it was slow\" {options}"));
    let number: u64 = request[2..].parse().unwrap();
    for (options, expected) in [
        (format!("--promotion {request}"), number),
        (format!("--deployment {first}"), first),
        ("--subject dist/app.zip --to prod".to_owned(), again),
        (format!("--subject dist/app.zip --to payments/prod --at {time}"), first),
    ] {
        let told = about(&options);
        assert_eq!(told["about"], expected, "{options}");
        let payload = signed(&place, told["logged"][0]["index"].as_u64().unwrap());
        assert_eq!(payload["predicate"]["about"], expected, "{options}");
        let hex = payload["subject"][0]["digest"]["sha256"].as_str().unwrap();
        assert_eq!(format!("sha256:{hex}"), digest(&place, "dist/app.zip"), "{options}");
    }
    // The text may stand in a file; then the file may say what it is about, or the options.
    place.write("note.json", r#"{"text":"from a file"}"#);
    let file = format!("attestry record note note.json --deployment {again} --key alice.pem");
    assert_eq!(signed(&place, logged(&place, &file))["predicate"]["about"], again);
    place.write("note.json", format!(r#"{{"text":"from a file","about":{again}}}"#));
    place.expect(2, &file);
    // What a client does not look at is refused by the ledger.
    let forged = "attestry record note note.json --subject dist/rc.zip --key alice.pem";
    let refused = place.expect(3, forged);
    assert!(refused.stderr.contains("subject-invalid"), "{}", refused.stderr);
    place.write("note.json", r#"{"text":"from a file","about":4711}"#);
    let refused = place.expect(3, forged);
    assert!(refused.stderr.contains("predicate-invalid"), "{}", refused.stderr);

    let notes = |entry: &str| -> Vec<u64> {
        let shown = told(&place, 0, &format!("attestry show {entry}"));
        let notes = shown["notes"].as_array().unwrap().clone();
        notes.iter().map(|note| note["about"].as_u64().unwrap()).collect()
    };
    assert_eq!(notes(&request), [number, first, again, first, again]);
    assert_eq!(notes(&first.to_string()), [first, first]);
    assert_eq!(notes(&again.to_string()), [again, again]);
    let lineage = place.expect(0, "attestry lineage dist/app.zip").stdout;
    let below = |line: &str| {
        let mut rest = lineage.lines().skip_while(|it| !it.ends_with(line));
        rest.nth(1).unwrap_or_default().to_owned()
    };
    for entry in [number, first, again] {
        let next = below(&format!("entry {entry}"));
        assert!(next.contains("note by alice: why it was slow"), "{entry}: {lineage}");
    }
    // A pack shows them too.
    let period = story::period();
    place.expect(
        0,
        &format!(
            "attestry pack create --environment payments/prod {period} --for A --reason R -o p.zip"
        ),
    );
    let packed =
        place.expect(0, "attestry lineage dist/app.zip --pack p.zip --trust ledger/pin.txt");
    assert!(packed.stdout.contains("note by alice"), "{}", packed.stdout);
    let packed = told(&place, 0, &format!("attestry show {request} --pack p.zip"));
    assert_eq!(packed["notes"].as_array().unwrap().len(), 5);
    place.expect(0, "attestry verify p.zip --trust ledger/pin.txt");
}
