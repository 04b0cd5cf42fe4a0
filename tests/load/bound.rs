//! What the same machine does in the same run without HTTP: the library's append, and bare
//! verification with bare insertion.

use std::sync::Arc;

use ledger::Database;
use serde_json::{Value, json};
use verifier::signed::KeyRing;
use verifier::trust::Trust;

use crate::Options;
use crate::bare::{Bare, verify};
use crate::fleet::Kept;
use crate::library::{entries, new_ledger, submit};

/// Events that are enough to tell.
const SAMPLE: usize = 51_200;

/// Appends the same envelopes to a new log of their own, in the batches that the library is
/// measured with, and to bare tables in the batches that the server can make of what comes at once.
pub async fn measure(
    options: &Options,
    kept: &Kept,
    mut envelopes: Vec<Vec<u8>>,
    report: &mut Value,
) {
    envelopes.truncate(SAMPLE);
    let count = envelopes.len() as f64;
    let folder = kept.folder().join(format!("library-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let database = match &kept.postgres {
        Some(server) => Database::of_name(&server.database()).unwrap(),
        None => Database::Sqlite(folder.join("ledger.db")),
    };
    let ledger = Arc::new(new_ledger(&folder, &database).await);
    let from = ledger.size().await.unwrap();
    let batch = if options.batch > 1 { options.batch } else { options.connections };
    let (_, took) = submit(&ledger, &envelopes, batch).await;
    let document = ledger.control().await.unwrap().trust.unwrap().document;
    let ring = KeyRing::of_document(&Trust::of(document).unwrap());
    let stored = entries(&ledger, from).await;
    ledger.close().await;
    let mut bare = match &kept.postgres {
        Some(server) => Bare::on_server(&server.database()).await,
        None => Bare::in_file(&folder.join("bare.db")),
    };
    let insert = bare.insert(from, &stored, &envelopes, batch).await / count;
    let verify = verify(&envelopes, &ring) / count;
    let cores = std::thread::available_parallelism().unwrap().get() as f64;
    let (library, bound) = (count / took, cores / (verify + insert));
    let rate = report["append"]["perSecond"].as_f64().unwrap_or(f64::NAN);
    report["beside"] = json!({
        "batch": batch,
        "libraryPerSecond": library.round(),
        "ofLibrary": (rate / library * 1e3).round() / 1e3,
        "verifyUs": (verify * 1e7).round() / 10.0,
        "insertUs": (insert * 1e7).round() / 10.0,
        "boundPerSecond": bound.round(),
        "ofBound": (rate / bound * 1e3).round() / 1e3,
    });
    std::fs::remove_dir_all(folder).unwrap();
}
