//! The binary: parse, run, exit code.
#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

fn main() -> ExitCode {
    // Where the program cannot be started again, variables stay as they are for those who read them.
    let _ = s3lo::environment::with_clean_variables();
    // Keys are in memory: no core file, and no debugger of the same user. Where a sandbox forbids
    // even this, the program still does its work.
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, nothing);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    s3lo::open_files::raise_limit();
    let arguments = std::env::args_os().collect();
    s3lo::cli::run(arguments, &mut io::stdout(), &mut io::stderr())
}
