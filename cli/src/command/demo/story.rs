//! The story: a release is recorded, refused, mended, approved, promoted, exported, verified.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Stage, forgery};
use crate::exit::Exit;
use crate::failure::Failure;

/// The demo's inputs: real reports of this project; `cli/demo/README.md` says how each was made.
const INPUTS: [(&str, &[u8]); 8] = [
    ("policy.yaml", include_bytes!("../../../demo/policy.yaml")),
    ("reports/unit.junit.xml", include_bytes!("../../../demo/unit.junit.xml")),
    ("reports/clippy.sarif", include_bytes!("../../../demo/clippy.sarif")),
    ("reports/sbom.cdx.json", include_bytes!("../../../demo/sbom.cdx.json")),
    ("reports/coverage.json", include_bytes!("../../../demo/coverage.json")),
    ("reports/review.json", include_bytes!("../../../demo/review.json")),
    ("reports/scan-rc1.json", include_bytes!("../../../demo/scan-vulnerable.trivy.json")),
    ("reports/scan.json", include_bytes!("../../../demo/scan-clean.trivy.json")),
];

const SOURCE: &str = "git+https://github.com/acme/payments";
const BUILDER: &str = "https://ci.acme.example/runner";
/// The commits of the refused archive and of the mended one.
const FIRST: &str = "4be1f0a2c3d4e5f60718293a4b5c6d7e8f901234";
const MENDED: &str = "9c27d10be83fa645170c2b98d3e4f5a6071829ab";

pub fn tell(stage: &mut Stage) -> Result<(), Failure> {
    let folder = stage.folder.display().to_string();
    stage.say(&format!(
        "This is a rehearsal: a made-up release of a made-up project, with real reports\n\
         of tools that ran on Attestry itself, on a new ledger in\n  {folder}\n\
         Every line behind $ is a command that you can type there, after\n  \
         export ATTESTRY_PROJECT=payments ATTESTRY_STATE=$PWD/state"
    ))?;
    for (name, bytes) in INPUTS {
        stage.write(name, bytes)?;
    }
    set_up(stage)?;
    let first = archive(stage, "dist/payments-1.4.2-rc1.zip", "openssl 3.0.11")?;
    refused(stage, &first)?;
    let mended = archive(stage, "dist/payments-1.4.2.zip", "openssl 3.0.12")?;
    admitted(stage, &mended)?;
    to_production(stage, &mended)?;
    prove(stage)
}

/// Writes a small archive, as a build would.
fn archive(stage: &mut Stage, name: &str, library: &str) -> Result<String, Failure> {
    let bytes = zipped(&format!("payments 1.4.2, with {library}\n")).map_err(|cause| {
        Failure::new(Exit::Unexpected, "demo-broken", format!("cannot write {name}: {cause}"))
    })?;
    stage.write(name, &bytes)?;
    Ok(name.to_owned())
}

fn zipped(text: &str) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("payments/app.txt", options)?;
    writer.write_all(text.as_bytes())?;
    Ok(writer.finish()?.into_inner())
}

fn set_up(stage: &mut Stage) -> Result<(), Failure> {
    stage.heading("A ledger, five people, one policy")?;
    stage.command("attestry init --origin ledger.acme.example", Exit::Done)?;
    for name in ["ci", "mia", "alice", "bob", "carol"] {
        stage.command(&format!("attestry key generate {name}.pem"), Exit::Done)?;
    }
    let kinds = "--kind build --kind test --kind analysis --kind measurement --kind sbom \
                 --kind vulnerabilities --kind review --kind deployment";
    for rest in [
        format!("ci --pub ci.pem.pub --role emitter {kinds}"),
        "mia --pub mia.pem.pub --role policy-admin".to_owned(),
        "mia --role release-manager".to_owned(),
        "alice --pub alice.pem.pub --role release-approver --alias alice@acme.example".to_owned(),
        "bob --pub bob.pem.pub --role release-approver --alias bob@acme.example".to_owned(),
        "carol --pub carol.pem.pub --role security".to_owned(),
    ] {
        let line =
            format!("attestry identity add {rest} --project payments --key attestry-root.pem");
        stage.command(&line, Exit::Done)?;
    }
    stage.command("attestry policy check policy.yaml", Exit::Done)?;
    stage.command("attestry policy set policy.yaml --key mia.pem", Exit::Done)?;
    Ok(())
}

/// What a pipeline records about one archive.
fn pipeline(
    stage: &mut Stage,
    artifact: &str,
    version: &str,
    commit: &str,
    scan: &str,
) -> Result<(), Failure> {
    let about = format!("--subject {artifact} --key ci.pem");
    for rest in [
        format!(
            "build --source {SOURCE}@{commit} --builder {BUILDER} --name payments \
             --version {version} {about}"
        ),
        format!("review reports/review.json --subject gitCommit:{commit} --key ci.pem"),
        format!("test reports/unit.junit.xml --suite unit {about}"),
        format!("coverage reports/coverage.json {about}"),
        format!("analysis reports/clippy.sarif {about}"),
        format!("sbom reports/sbom.cdx.json {about}"),
        format!("scan {scan} {about}"),
    ] {
        stage.command(&format!("attestry record {rest}"), Exit::Done)?;
    }
    Ok(())
}

fn refused(stage: &mut Stage, artifact: &str) -> Result<(), Failure> {
    stage.heading("A release candidate is built, tested, scanned, and refused")?;
    pipeline(stage, artifact, "1.4.2-rc1", FIRST, "reports/scan-rc1.json")?;
    let line = format!("attestry promote {artifact} --to staging --reason \"1.4.2\" --key mia.pem");
    stage.command(&line, Exit::No)?;
    Ok(())
}

fn admitted(stage: &mut Stage, artifact: &str) -> Result<(), Failure> {
    stage.heading("The library is mended: a new archive, a new digest, all evidence anew")?;
    pipeline(stage, artifact, "1.4.2", MENDED, "reports/scan.json")?;
    let promote = format!("attestry promote {artifact} --to staging --reason \"1.4.2, mended\"");
    stage.command(&format!("{promote} --key mia.pem"), Exit::Done)?;
    deploy(stage, artifact, "staging")
}

fn deploy(stage: &mut Stage, artifact: &str, to: &str) -> Result<(), Failure> {
    let line = format!(
        "attestry record deployment --subject {artifact} --to {to} --result succeeded --key ci.pem"
    );
    stage.command(&line, Exit::Done).map(drop)
}

fn to_production(stage: &mut Stage, artifact: &str) -> Result<(), Failure> {
    stage.heading("To production: time in staging, and two people who did not write it")?;
    let promote = format!("attestry promote {artifact} --to prod --reason \"1.4.2, fixes INC-42\"");
    let asked = stage.command(&format!("{promote} --key mia.pem"), Exit::Done)?;
    let request = asked.split_whitespace().next().unwrap_or("P-0").to_owned();
    for (name, reason) in [
        ("alice", "I wrote it and it works"),
        ("bob", "looked at the canary"),
        ("carol", "the library is mended"),
    ] {
        let line = format!("attestry approve {request} --reason \"{reason}\" --key {name}.pem");
        stage.command(&line, Exit::Done)?;
    }
    stage.say("\n… three seconds of soak in staging …")?;
    std::thread::sleep(std::time::Duration::from_millis(3100));
    stage.command(&format!("attestry evaluate {request}"), Exit::Done)?;
    deploy(stage, artifact, "prod")?;
    stage.command("attestry status", Exit::Done)?;
    stage.command(&format!("attestry lineage {artifact}"), Exit::Done)?;
    Ok(())
}

fn prove(stage: &mut Stage) -> Result<(), Failure> {
    stage.heading("One file for the auditor, who has the pin by another road")?;
    let (day, next) = days();
    let line = format!(
        "attestry pack create --environment payments/prod --from {day} --to {next} \
         --for \"Example Audit LLP\" --reason \"SOC 2 type II\" -o payments-prod.zip"
    );
    stage.command(&line, Exit::Done)?;
    let auditor = stage.folder.join("auditor");
    for name in ["payments-prod.zip", "ledger/pin.txt"] {
        let from = stage.folder.join(name);
        let to = auditor.join(name.rsplit('/').next().unwrap_or(name));
        std::fs::create_dir_all(&auditor)
            .and_then(|()| std::fs::copy(&from, &to))
            .map_err(|cause| Failure::file(&to, &cause))?;
    }
    stage.say(
        "\nThe auditor's folder has the pack and the pin; no ledger, no keys. Verification\n\
         links no network code: pull the cable if you like.",
    )?;
    let verify = |name: &str| format!("attestry verify {name} --trust pin.txt");
    stage.command_in(&auditor, &verify("payments-prod.zip"), Exit::Done)?;
    forgery::one_byte(&auditor)?;
    stage.heading("A forger changes one byte of an entry")?;
    stage.command_in(&auditor, &verify("forged.zip"), Exit::Integrity)?;
    forgery::with_manifests(&auditor)?;
    stage.heading("And rewrites the manifests to match")?;
    stage.command_in(&auditor, &verify("forged-better.zip"), Exit::Integrity)?;
    let page = auditor.display().to_string();
    stage.say(&format!(
        "\nBoth refused. Unzip {page}/payments-prod.zip and open\n\
         attestry-pack/data/report/index.html to read what the auditor reads."
    ))
}

/// The days (UTC) between which the release happened, even where it was at midnight.
fn days() -> (String, String) {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0));
    let day = |ms| schemas::id::Time(ms).to_string().chars().take(10).collect();
    const MINUTE_MS: i64 = 60_000;
    const DAY_MS: i64 = 1440 * MINUTE_MS;
    // The demo began less than a minute ago.
    (day(now - MINUTE_MS), day(now + DAY_MS))
}
