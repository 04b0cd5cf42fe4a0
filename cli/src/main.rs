//! The binary: gives the process's arguments, streams and environment to the library.

use std::process::ExitCode;

/// Memory is taken on one thread and given back on another all day: the system's allocator is slow
/// at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let (mut stdin, mut stdout, mut stderr) =
        (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let mut io = cli::Io::of_process(&mut stdin, &mut stdout, &mut stderr);
    ExitCode::from(cli::run(std::env::args_os(), &mut io))
}
