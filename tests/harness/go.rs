//! Other people's programs in Go, built by `go install` from the module proxy: as far from the
//! repository as their code, and only where Go is installed.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// A program of a module at one version; where it was built before it is taken as it is.
///
/// A skip is said aloud, and may be one in CI too: nothing of ours needs Go.
pub fn program(package: &str, version: &str) -> Option<PathBuf> {
    // Two tests that build at once would share two cores, and the tool's cache.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _turn = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let name = package.rsplit('/').next().unwrap_or(package);
    let folder = cache()?.join(format!("{}@{version}", package.replace('/', "_")));
    let built = folder.join(name);
    if built.is_file() {
        return Some(built);
    }
    let output = Command::new("go")
        .args(["install", &format!("{package}@{version}")])
        .env("GOBIN", &folder)
        .env("CGO_ENABLED", "0")
        .env_remove("GOFLAGS")
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() && built.is_file() => Some(built),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            skip(&format!("{package} cannot be built: {}", said.lines().last().unwrap_or_default()))
        }
        Err(_) => skip(&format!("Go is not installed, which would build {package}")),
    }
}

/// Where programs are kept from one run to the next.
fn cache() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    match named.or_else(home) {
        Some(folder) => Some(folder.join("attestry-tests")),
        None => skip("there is no folder for caches (HOME)"),
    }
}

fn skip<T>(why: &str) -> Option<T> {
    // Not `eprintln`, which the test runner would swallow.
    let _ = std::io::stderr().write_all(format!("SKIPPED, and may be: {why}\n").as_bytes());
    None
}
