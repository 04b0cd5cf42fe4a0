//! What happens around a promotion, by command line: recorded from the files that tools write,
//! waived, frozen, taken back.

use harness::{Place, story};
use serde_json::Value;

fn json(place: &Place, code: u8, line: &str) -> Value {
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
    let canary = json(&place, 0, line);
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
    let seen = json(&place, 0, "attestry observe prod --file pods.json --key ops.pem");
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
    let waived = json(&place, 0, &format!("{waive} --key carol.pem"));
    place.expect(4, &format!("{waive} --key mia.pem"));
    place.expect(3, &format!("{} --key carol.pem", waive.replace("2100", "2000")));
    let index = waived["index"].as_u64().unwrap();
    let take_back = format!("attestry waive --withdraw {index} --reason mended --key carol.pem");
    place.expect(0, &take_back);
    place.expect(3, &take_back);
    let freeze = "attestry freeze --to prod --until 2100-01-01 --reason holidays";
    let frozen = json(&place, 0, &format!("{freeze} --key mia.pem"));
    place.expect(4, &format!("{freeze} --key carol.pem"));
    place.expect(4, &format!("{} --all-projects --key mia.pem", freeze.replace("--to prod ", "")));
    let index = frozen["index"].as_u64().unwrap();
    place.expect(0, &format!("attestry freeze --lift {index} --reason over --key mia.pem"));
    place.expect(5, "attestry freeze --lift 0 --reason over --key mia.pem");
    place.expect(0, "attestry verify --trust ledger/pin.txt");
}
