//! The unavoidable parts of signing, each alone: a process, its scrypt, its fsyncs.
//!
//! ```text
//! floor start                         does nothing
//! floor scrypt                        one scrypt, N=65536 r=8 p=1
//! floor fsync DIR                     one small file, written and fsynced
//! floor fsyncs DIR N CONCURRENCY      N of them in DIR/0 … DIR/N-1, which exist
//! floor measure OUTPUT PROGRAM ARG…   runs PROGRAM, its stdout into the file OUTPUT
//! ```
//!
//! All but `measure` print the time that they took inside the process, in µs. `measure` prints
//! `<wall time in µs> <processor time in µs> <peak memory in KiB> <exit code>` of PROGRAM, fork and exec
//! included.
#![forbid(unsafe_code)]

use std::env;
use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use wait4::Wait4 as _;

/// About as long as a record.
const SMALL: [u8; 420] = [b'x'; 420];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    match arguments {
        ["start"] => {}
        ["scrypt"] => derive()?,
        ["fsync", directory] => write(Path::new(directory))?,
        ["fsyncs", directory, count, concurrency] => {
            write_many(directory, count.parse()?, concurrency.parse()?)?;
        }
        ["measure", output, program, rest @ ..] => return measure(output, program, rest),
        _ => return Err("see the head of its source for what can be asked".into()),
    }
    println!("{}", start.elapsed().as_micros());
    Ok(())
}

fn derive() -> Result<(), Box<dyn Error>> {
    let params = scrypt::Params::new(16, 8, 1)?;
    let mut key = [0; 32];
    scrypt::scrypt(b"secret", &[7; 32], &params, &mut key)?;
    black_box(key);
    Ok(())
}

fn write(directory: &Path) -> io::Result<()> {
    let mut file = File::create_new(directory.join("record.json"))?;
    file.write_all(&SMALL)?;
    file.sync_all()
}

fn write_many(directory: &str, count: usize, concurrency: usize) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(());
            }
            write(&Path::new(directory).join(number.to_string()))?;
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..concurrency).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or(Err(io::ErrorKind::Other.into())))
    })
}

/// A small process must be the parent: Linux counts the memory of the process that called exec as the
/// child's own peak, and that of an interpreter would hide the program's.
fn measure(output: &str, program: &str, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut command = Command::new(program);
    command.args(arguments).stdout(File::create(output)?);
    let start = Instant::now();
    let used = command.spawn()?.wait4()?;
    let wall = start.elapsed();
    let code = used.status.code().ok_or("it was ended by a signal")?;
    let processor = used.rusage.utime + used.rusage.stime;
    let peak = used.rusage.maxrss / 1024;
    println!(
        "{} {} {peak} {code}",
        wall.as_micros(),
        processor.as_micros()
    );
    Ok(())
}
