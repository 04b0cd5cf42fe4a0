//! A PostgreSQL server of our own for one test binary: made in a temporary folder, listening on a
//! socket in it and nowhere else, gone with the process however that ends.
//!
//! Uses the standard library alone, so that the ledger's own tests can include this file.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A server that runs. Every test takes a database of its own from it.
pub struct Server {
    bin: PathBuf,
    folder: PathBuf,
    made: AtomicU32,
    /// Ends the server once its standard input does: with this process, even if that is killed.
    _keeper: Child,
}

/// The server that the tests of one binary share, or a loud skip.
pub fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| programs().map(|bin| Server::start(&bin))).as_ref()
}

/// A server that one test has for itself, or a loud skip.
pub fn own_server() -> Option<Server> {
    programs().map(|bin| Server::start(&bin))
}

/// Finds the folder with `initdb`, `pg_ctl` and `postgres`, or says that there is none.
///
/// `ATTESTRY_POSTGRES_BIN` names it, else the newest installed version is taken.
fn programs() -> Option<PathBuf> {
    let has_all = |folder: &PathBuf| {
        ["initdb", "pg_ctl", "postgres", "psql"].iter().all(|it| folder.join(it).exists())
    };
    if let Some(folder) = std::env::var_os("ATTESTRY_POSTGRES_BIN").map(PathBuf::from) {
        assert!(has_all(&folder), "no PostgreSQL server in {}", folder.display());
        return Some(folder);
    }
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|it| Some((it.file_name().to_str()?.parse().ok()?, it.path().join("bin"))))
        .collect();
    versions.sort();
    let said = Command::new("pg_config").arg("--bindir").output().ok();
    let said = said.and_then(|it| String::from_utf8(it.stdout).ok());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = versions
        .into_iter()
        .rev()
        .map(|(_, folder)| folder)
        .chain(said.map(|it| PathBuf::from(it.trim())))
        .chain(std::env::split_paths(&path))
        .find(has_all);
    if found.is_none() {
        // Not `eprintln`, which the test runner would swallow.
        let _ = std::io::stderr().write_all(
            b"SKIPPED: no PostgreSQL server (install postgresql, or set ATTESTRY_POSTGRES_BIN)\n",
        );
    }
    found
}

impl Server {
    fn start(bin: &Path) -> Server {
        let number = std::process::id();
        // Short, since the path of a socket has a limit of some hundred bytes.
        let name = format!("attestry-pg.{number}.{}", SERVERS.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).expect("a temporary folder");
        let owner = owner(&folder);
        if let Some(owner) = owner {
            run(Command::new("chown").arg(owner).arg(&folder));
        }
        let mut server = Server {
            bin: bin.to_owned(),
            made: AtomicU32::new(0),
            _keeper: keeper(bin, &folder, owner),
            folder,
        };
        server.make(owner);
        server.start_with("fsync=on");
        server
    }

    /// Makes the files of a server, sorted as people sort where it can, so that whatever needs the
    /// order of bytes has to ask for it.
    fn make(&mut self, owner: Option<&str>) {
        let data = self.folder.join("data");
        let initdb = |more: &[&str]| {
            let mut command = as_owner(&self.bin.join("initdb"), owner);
            command.current_dir(&self.folder).arg("-D").arg(&data).args(more);
            command.args(["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]);
            command.arg("--locale=C.UTF-8").stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|it| it.success())
        };
        let made = initdb(&["--locale-provider=icu", "--icu-locale=en-US"]) || {
            let _ = std::fs::remove_dir_all(&data);
            initdb(&[])
        };
        assert!(made, "initdb in {}", data.display());
    }

    fn control(&self, args: &[&str]) {
        let mut command = as_owner(&self.bin.join("pg_ctl"), owner(&self.folder));
        command.current_dir(&self.folder).arg("-D").arg(self.folder.join("data"));
        run(command.arg("-l").arg(self.folder.join("log")).arg("-w").args(args));
    }

    fn start_with(&self, setting: &str) {
        let folder = self.folder.display();
        let options = format!("-k {folder} -c listen_addresses= -c {setting}");
        self.control(&["-o", &options, "start"]);
    }

    /// Stops the server as a loss of power would, and starts it again with one setting.
    pub fn restart_with(&self, setting: &str) {
        self.stop("immediate");
        self.start_with(setting);
    }

    /// Starts the server again, listening on a port of this machine and answering there with TLS
    /// alone; gives the port. Its socket has another name then.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn restart_with_tls(&self, certificate: &Path, key: &Path) -> u16 {
        self.stop("fast");
        let owner = owner(&self.folder);
        for (from, name, mode) in [(certificate, "tls.pem", "644"), (key, "tls.key", "600")] {
            let to = self.folder.join(name);
            std::fs::copy(from, &to).expect("a copy");
            run(Command::new("chmod").arg(mode).arg(&to));
            if let Some(owner) = owner {
                run(Command::new("chown").arg(owner).arg(&to));
            }
        }
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";
        std::fs::write(self.folder.join("data/pg_hba.conf"), rules).expect("its rules");
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let folder = self.folder.display();
        let options = format!(
            "-k {folder} -p {port} -c listen_addresses=127.0.0.1 -c fsync=on -c ssl=on \
             -c ssl_cert_file={folder}/tls.pem -c ssl_key_file={folder}/tls.key"
        );
        self.control(&["-o", &options, "start"]);
        port
    }

    /// Stops the server: `fast` ends every session, `immediate` is a crash.
    pub fn stop(&self, mode: &str) {
        self.control(&["-m", mode, "stop"]);
    }

    pub fn start_again(&self) {
        self.start_with("fsync=on");
    }

    /// What it has noted since it was made.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).expect("the server's log")
    }

    /// Every process of it, by the ids that the machine gives them.
    pub fn processes(&self) -> Vec<u32> {
        let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid"));
        let first = file.ok().and_then(|it| it.lines().next().and_then(|id| id.parse().ok()));
        let Some(first) = first else { return Vec::new() };
        let children = format!("/proc/{first}/task/{first}/children");
        let children = std::fs::read_to_string(children).unwrap_or_default();
        children.split_whitespace().filter_map(|id| id.parse().ok()).chain([first]).collect()
    }

    /// Makes an empty database and gives its address.
    pub fn database(&self) -> String {
        let name = format!("test{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.address(&name)
    }

    pub fn address(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.folder.display())
    }

    /// Runs SQL beside whoever is tested, and gives what it answers, a line for a row.
    ///
    /// # Panics
    /// Where the server refuses it.
    pub fn sql(&self, database: &str, text: &str) -> String {
        let mut command = Command::new(self.bin.join("psql"));
        command.args(["-X", "-A", "-t", "-q", "-U", "postgres", "-d", database, "-c", text]);
        let output = command.arg("-h").arg(&self.folder).output().expect("psql");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}\n{told}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Server {
    /// A database as `pg_dump` writes it.
    ///
    /// # Panics
    /// Where it does not.
    pub fn dump(&self, database: &str) -> String {
        let mut command = Command::new(self.bin.join("pg_dump"));
        command.args(["-U", "postgres", "-d", database, "-h"]).arg(&self.folder);
        let output = command.output().expect("pg_dump");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a dump in UTF-8")
    }

    /// Plays a dump into an empty database, all of it or nothing.
    ///
    /// # Panics
    /// Where the server refuses a line of it.
    pub fn restore(&self, database: &str, dump: &str) {
        let mut command = Command::new(self.bin.join("psql"));
        command.args(["-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]);
        command.args(["-d", database, "-h"]).arg(&self.folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("psql");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(dump.as_bytes()).expect("psql reads");
        drop(stdin);
        let output = child.wait_with_output().expect("psql");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

static SERVERS: AtomicU32 = AtomicU32::new(0);

/// The database in an address of ours.
pub fn name_of(address: &str) -> &str {
    let end = address.find('?').unwrap_or(address.len());
    address[..end].rsplit('/').next().unwrap_or_default()
}

/// Another account for the server, which refuses to run as root.
fn owner(folder: &Path) -> Option<&'static str> {
    static OWNER: OnceLock<Option<&'static str>> = OnceLock::new();
    *OWNER.get_or_init(|| {
        let root = std::fs::metadata(folder).is_ok_and(|it| it.uid() == 0);
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let known = |name: &&str| accounts.lines().any(|it| it.starts_with(&format!("{name}:")));
        if root { ["postgres", "nobody"].into_iter().find(known) } else { None }
    })
}

fn as_owner(program: &Path, owner: Option<&str>) -> Command {
    let Some(owner) = owner else { return Command::new(program) };
    let has = |it: &str| {
        ["/usr/bin", "/bin", "/sbin", "/usr/sbin"]
            .iter()
            .any(|folder| Path::new(folder).join(it).exists())
    };
    let mut command = if has("setpriv") {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", owner, "--init-groups", "--reset-env", "--"]);
        command
    } else {
        let mut command = Command::new("runuser");
        command.args(["-u", owner, "--"]);
        command
    };
    command.arg(program);
    command
}

/// A shell that waits for the end of its input, then stops the server and takes its folder away.
fn keeper(bin: &Path, folder: &Path, owner: Option<&str>) -> Child {
    let stop = as_owner(&bin.join("pg_ctl"), owner);
    let mut keeper = Command::new("sh");
    keeper.args([
        "-c",
        "trap '' INT TERM HUP; folder=$1; shift; cat >/dev/null; cd /; \
         \"$@\" -D \"$folder/data\" -m immediate stop; rm -rf \"$folder\"",
        "keeper",
    ]);
    keeper.arg(folder).arg(stop.get_program()).args(stop.get_args());
    keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    keeper.spawn().expect("a shell")
}

fn run(command: &mut Command) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status();
    assert!(status.as_ref().is_ok_and(|it| it.success()), "{command:?}: {status:?}");
}
