//! The database: the settings that decide whether an acknowledged event survives.

use schemas::id::Time;

use super::Check;
use crate::database::Database;
use crate::error::{LedgerError, chain};
use crate::store::postgres::{self, Server};
use crate::store::sqlite::{self, Settings};

/// Largest file whose pages are all looked at, in bytes: some seconds of reading.
const LOOKED_AT_BYTES_MAX: u64 = 1 << 30;

/// How far the database server's clock may be from ours, in ms.
const CLOCKS_MS_MAX: i64 = 2_000;

/// Connections that one server process takes, and that three take with some to spare.
const CONNECTIONS_ONE: i64 = 9;
const CONNECTIONS_SOME: i64 = 30;

pub async fn examine(database: &Database, now: Time) -> Result<Vec<Check>, LedgerError> {
    Ok(match database {
        Database::Sqlite(path) => file(&sqlite::settings(path, LOOKED_AT_BYTES_MAX).await?),
        Database::Postgres(address) => server(&postgres::server(address).await?, now),
    })
}

/// A database that cannot be opened as what it should be.
pub fn unusable(cause: &LedgerError) -> Check {
    let next = "is it the right one, running, and readable for this user?";
    Check::failed("database", chain(cause), next)
}

fn file(it: &Settings) -> Vec<Check> {
    let pages = match it.quick_check.as_deref() {
        Some("ok") => Check::ok("pages", "SQLite finds every page in order"),
        Some(found) => Check::broken(
            "pages",
            found.replace('\n', "; "),
            "stop the ledger, keep the file, and restore the newest backup that verifies",
        ),
        None => Check::warning(
            "pages",
            format!("not looked at: {} MiB are too many", it.bytes >> 20),
            "`attestry verify` reads everything; PRAGMA quick_check, every page",
        ),
    };
    let found = format!("journal_mode = {}", it.journal_mode);
    let settings = match it.journal_mode.as_str() {
        "wal" => Check::ok("settings", found),
        _ => Check::warning("settings", found, "somebody changed it; the ledger sets it back"),
    };
    vec![settings, pages]
}

fn server(it: &Server, now: Time) -> Vec<Check> {
    let mut checks = Vec::new();
    let loses = [
        ("fsync", &it.fsync),
        ("synchronous_commit", &it.synchronous_commit),
        ("full_page_writes", &it.full_page_writes),
    ];
    let off: Vec<String> = loses
        .iter()
        .filter(|(_, value)| *value != "on")
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    checks.push(match off.as_slice() {
        [] => Check::ok("settings", format!("PostgreSQL {}, durable", it.version / 10_000)),
        off => Check::failed(
            "settings",
            off.join(", "),
            "set them on and reload: a commit that was answered could be lost or torn",
        ),
    });
    checks.push(match it.standby {
        false => Check::ok("standby", "the server is a primary"),
        true => Check::failed("standby", "the server only follows another", "name the primary"),
    });
    let room = it.connections_max - it.connections_used;
    let found = format!("{} of {} connections used", it.connections_used, it.connections_max);
    checks.push(match room {
        CONNECTIONS_SOME.. => Check::ok("connections", found),
        CONNECTIONS_ONE.. => Check::warning(
            "connections",
            found,
            "raise max_connections: each server process takes 9",
        ),
        _ => Check::failed("connections", found, "raise max_connections: a process takes 9"),
    });
    let apart = now.since(it.now).abs();
    let found = format!("{apart} ms from the database server's");
    checks.push(match apart {
        ..=CLOCKS_MS_MAX => Check::ok("clocks", found),
        _ => Check::warning("clocks", found, "set both by the same time service"),
    });
    checks
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    fn grades(checks: &[Check]) -> Vec<(&'static str, Grade)> {
        let bad = checks.iter().filter(|check| check.grade != Grade::Ok);
        bad.map(|check| (check.name, check.grade)).collect()
    }

    #[test]
    fn a_file_is_graded_by_what_it_could_lose() {
        let good = Settings {
            journal_mode: "wal".to_owned(),
            quick_check: Some("ok".to_owned()),
            bytes: 5 << 30,
        };
        assert_eq!(grades(&file(&good)), []);
        let check = |it: Settings, name, grade| assert_eq!(grades(&file(&it)), [(name, grade)]);
        let delete = Settings { journal_mode: "delete".to_owned(), ..good.clone() };
        check(delete, "settings", Grade::Warning);
        let torn = Settings { quick_check: Some("page 7 is torn".to_owned()), ..good.clone() };
        check(torn, "pages", Grade::Broken);
        check(Settings { quick_check: None, ..good }, "pages", Grade::Warning);
    }

    #[test]
    fn a_server_is_graded_by_what_it_could_lose() {
        let on = || "on".to_owned();
        let good = Server {
            version: 150_018,
            fsync: on(),
            synchronous_commit: on(),
            full_page_writes: on(),
            standby: false,
            connections_max: 97,
            connections_used: 2,
            now: Time(5_000),
        };
        let now = Time(5_000);
        assert_eq!(grades(&server(&good, now)), []);
        let check = |it: Server, name, grade| {
            assert_eq!(grades(&server(&it, now)), [(name, grade)]);
        };
        let off = || "off".to_owned();
        check(Server { fsync: off(), ..good.clone() }, "settings", Grade::Failed);
        check(Server { synchronous_commit: off(), ..good.clone() }, "settings", Grade::Failed);
        check(Server { full_page_writes: off(), ..good.clone() }, "settings", Grade::Failed);
        check(Server { standby: true, ..good.clone() }, "standby", Grade::Failed);
        check(Server { connections_max: 20, ..good.clone() }, "connections", Grade::Warning);
        check(Server { connections_max: 10, ..good.clone() }, "connections", Grade::Failed);
        check(Server { now: Time(0), ..good }, "clocks", Grade::Warning);
    }
}
