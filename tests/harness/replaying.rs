//! Whatever a test has done, what its ledgers have decided comes out the same again.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ledger::Database;
use ledger::folder::Folder;
use ledger::verification::verify_heard;
use schemas::id::Origin;
use tokio::runtime::Builder;
use verifier::pin::{Pin, parse_pin};
use verifier::replay::{Replay, Scope};

/// The checkpoints of the logs that were replayed in this process: a copy of one, to which nothing was
/// added, decides nothing else.
static REPLAYED: Mutex<BTreeSet<Vec<u8>>> = Mutex::new(BTreeSet::new());

/// Replays every ledger in a folder of this folder, and says what disagrees.
pub fn problems(root: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(root).into_iter().flatten().flatten().map(|it| it.path());
    let replay = |folder: PathBuf| Some((folder.clone(), problem(&folder)?));
    let wrong = folders.filter_map(replay);
    wrong.map(|(folder, why)| format!("{}: {why}", folder.display())).collect()
}

fn problem(root: &Path) -> Option<String> {
    let folder = Folder::new(root);
    let checkpoint = std::fs::read(folder.checkpoint()).ok()?;
    let pin = std::fs::read(folder.pin()).ok()?;
    let is_new = REPLAYED.lock().is_ok_and(|mut replayed| replayed.insert(checkpoint));
    let database = folder.database().ok().filter(|_| is_new)?;
    if matches!(&database, Database::Sqlite(path) if !path.exists()) {
        return None;
    }
    // A thread of its own: whoever lets a place go may be in the middle of some future.
    let work = || match parse_pin(&pin) {
        Ok(pin) => replay(&database, &pin),
        Err(cause) => Some(format!("its pin: {cause}")),
    };
    std::thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|_| Some("it broke".into()))
}

fn replay(database: &Database, pin: &Pin) -> Option<String> {
    let origin: Origin = pin.log().name().as_str().parse().ok()?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().ok()?;
    runtime.block_on(async {
        let store = match (database.open().await, database) {
            (Ok(store), _) => store,
            (Err(cause), Database::Sqlite(_)) => return Some(cause.to_string()),
            (Err(cause), Database::Postgres(_)) => {
                // A server of the test's own may have gone before it.
                let note = format!("not replayed, {database} is away: {cause}\n");
                let _ = std::io::stderr().write_all(note.as_bytes());
                return None;
            }
        };
        let heard = verify_heard(&store, &origin, pin, Replay::of(Scope::default()), |_| {}).await;
        store.close().await;
        match heard {
            Err(cause) => Some(cause.to_string()),
            Ok((report, _)) if report.halted => Some(format!("{:?}", report.findings)),
            Ok((_, replay)) => disagreement(&replay),
        }
    })
}

fn disagreement(replay: &Replay) -> Option<String> {
    let disagrees = replay.decisions.iter().find(|it| it.disagrees.is_some())?;
    let all = replay.agreed + replay.disagreed;
    Some(format!("of {all} decisions {} disagree: {disagrees:?}", replay.disagreed))
}
