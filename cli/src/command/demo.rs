//! `attestry demo`: one release, from build to production, recorded and proven offline.

mod forgery;
mod story;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;

/// Walk through one release, from build to a verified pack and two forgeries
#[derive(Debug, Args)]
#[command(before_help = "Example:\n  attestry demo")]
pub struct DemoArgs {
    /// The new folder in which it happens [default: attestry-demo]
    #[arg(long, value_name = "D")]
    pub dir: Option<PathBuf>,
}

pub fn run(args: &DemoArgs, io: &mut Io) -> Result<Exit, Failure> {
    let folder = new_folder(args.dir.as_deref(), io)?;
    let mut stage = Stage { folder, io };
    story::tell(&mut stage)?;
    let folder = stage.folder.display().to_string();
    if io.json {
        io.answer("", &json!({ "folder": folder, "forgeriesRefused": 2 }))?;
    }
    Ok(Exit::Done)
}

/// Makes the folder; the default name gets a number where it is taken.
fn new_folder(asked: Option<&Path>, io: &Io) -> Result<PathBuf, Failure> {
    let name = |number: u32| match number {
        1 => PathBuf::from("attestry-demo"),
        _ => PathBuf::from(format!("attestry-demo-{number}")),
    };
    let folder = match asked {
        Some(folder) => folder.to_owned(),
        None => (1..1000).map(name).find(|name| !io.path(name).exists()).unwrap_or_else(|| name(1)),
    };
    let path = io.path(&folder);
    if path.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let message = format!("{} is not empty", folder.display());
        return Err(Failure::new(Exit::Usage, "folder-not-empty", message)
            .hint("name a new folder: attestry demo --dir D"));
    }
    std::fs::create_dir_all(&path).map_err(|cause| Failure::file(&folder, &cause))?;
    Ok(path)
}

/// Where the demo plays: a folder of its own, and the terminal that watches.
struct Stage<'a, 'b> {
    folder: PathBuf,
    io: &'a mut Io<'b>,
}

impl Stage<'_, '_> {
    fn say(&mut self, text: &str) -> Result<(), Failure> {
        if self.io.json { Ok(()) } else { self.io.say(text) }
    }

    fn heading(&mut self, text: &str) -> Result<(), Failure> {
        self.say(&format!("\n\n== {text}\n"))
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.folder.join(name);
        let folder = path.parent().unwrap_or(&self.folder).to_owned();
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&path, bytes))
            .map_err(|cause| Failure::file(Path::new(name), &cause))
    }

    /// Runs a command as a user would type it, shows what it says, and insists on its exit code.
    fn command(&mut self, line: &str, expected: Exit) -> Result<String, Failure> {
        let folder = self.folder.clone();
        self.command_in(&folder, line, expected)
    }

    fn command_in(&mut self, folder: &Path, line: &str, expected: Exit) -> Result<String, Failure> {
        let (mut stdin, mut out, mut errors) = (std::io::empty(), Vec::new(), Vec::new());
        let mut io = Io::new(&mut stdin, &mut out, &mut errors, folder);
        let state = self.folder.join("state").display().to_string();
        io.env.insert("ATTESTRY_STATE".to_owned(), state);
        io.env.insert("ATTESTRY_PROJECT".to_owned(), "payments".to_owned());
        let code = crate::run(words(line).into_iter().map(Into::into), &mut io);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, errors) = (text(&out), text(&errors));
        let exit = if code == 0 { String::new() } else { format!("[exit {code}]\n") };
        self.say(&format!("\n$ {line}\n{}{}{exit}", errors, out))?;
        if code == expected.code() {
            return Ok(out);
        }
        let message = format!("{line} answered {code}, and not {}", expected.code());
        Err(Failure::new(Exit::Unexpected, "demo-broken", message))
    }
}

/// Splits a command line at spaces; double quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    words
}
