//! A server in a process of its own, which can be killed and stopped as a machine does it.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

/// `attestry serve --json` that runs; it is killed with this value.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    /// What it says later has somewhere to go.
    _stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Starts it and waits until it says where it listens; none where it ends before that.
    ///
    /// # Panics
    /// Where the program is not to be found.
    pub fn start(command: &mut Command) -> Option<Process> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a program");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        while stdout.read_line(&mut line).is_ok_and(|read| read > 0) {
            if let Some(address) = listening(&line) {
                return Some(Process { child, address, _stdout: stdout });
            }
            line.clear();
        }
        let _ = child.kill();
        let _ = child.wait();
        None
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Takes it away as `kill -9` does.
    pub fn kill(mut self) {
        self.end();
    }

    /// Stops it where it stands, whatever it holds, and lets it go on after some seconds.
    ///
    /// # Panics
    /// Where the machine has no shell.
    pub fn pause(&self, seconds: u64) {
        self.signal("STOP");
        let later = format!("(sleep {seconds}; kill -CONT {}) &", self.child.id());
        let begun = Command::new("sh").args(["-c", &later]).stdout(Stdio::null()).status();
        assert!(begun.is_ok_and(|status| status.success()), "{later}");
    }

    /// Asks it to finish what it has accepted, and waits; says whether it ended well.
    pub fn terminate(mut self) -> bool {
        self.signal("TERM");
        self.child.wait().is_ok_and(|status| status.success())
    }

    fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &line]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{line}");
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// The address in the line that `serve --json` says; a test runner's own words may stand before it.
fn listening(line: &str) -> Option<SocketAddr> {
    let json = line.get(line.find('{')?..)?;
    let said: serde_json::Value = serde_json::from_str(json.trim_end()).ok()?;
    said["listening"].as_str()?.parse().ok()
}
