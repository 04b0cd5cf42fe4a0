//! Long work over the log, while somebody watches how far it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use schemas::id::TreeSize;

use crate::failure::Failure;
use crate::io::Io;
use crate::output::count;

/// Works through the log, and shows how far it is where somebody watches.
///
/// `work` gets what hears how many entries are done.
pub fn watched<T: Send>(
    size: TreeSize,
    io: &mut Io,
    work: impl FnOnce(Progress) -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    let progress = Progress::default();
    if !io.watched {
        return work(progress);
    }
    let (over, heard) = (AtomicBool::new(false), progress.clone());
    let result = std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            let result = work(progress);
            over.store(true, Ordering::Relaxed);
            result
        });
        while !over.load(Ordering::Relaxed) && !working.is_finished() {
            std::thread::sleep(Duration::from_millis(100));
            io.progress(&format!("verifying {} of {} entries", count(heard.at()), count(size)));
        }
        working.join()
    });
    io.progress("");
    result.map_err(|_| Failure::unexpected("the verification broke off"))?
}

/// How many entries are done.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    fn at(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// What is called with the number of entries that are done.
    pub fn hearing(self) -> impl Fn(TreeSize) + Send + 'static {
        move |at| self.0.store(at, Ordering::Relaxed)
    }
}
