//! Passwords: COSIGN_PASSWORD, or the person at the terminal.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::mem;
use std::os::unix::ffi::OsStringExt as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretSlice;
use zeroize::Zeroizing;

use crate::context::{Ask, Passwords};

/// COSIGN_PASSWORD, and the person at the terminal where it is not set.
pub(crate) fn passwords() -> Passwords {
    Passwords {
        variable: cosign_password(),
        ask: at_terminal().then_some(ask as Ask),
    }
}

/// COSIGN_PASSWORD, as bytes.
pub(crate) fn cosign_password() -> Option<SecretSlice<u8>> {
    Some(SecretSlice::from(
        std::env::var_os("COSIGN_PASSWORD")?.into_vec(),
    ))
}

/// Whether there is a person to ask.
pub(crate) fn at_terminal() -> bool {
    use io::IsTerminal as _;
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The longest answer to a prompt: what the kernel keeps of one line.
const MAX_LINE_LEN: usize = 4096;

/// The prompt of this process. The thread that waits for its answer cannot be interrupted, so a run that ends meanwhile
/// leaves it behind.
static PROMPT: Mutex<Prompt> = Mutex::new(Prompt::None);

enum Prompt {
    None,
    /// The terminal, and its settings before.
    Open(File, Termios),
    /// The run has ended, and no prompt may change the terminal any more.
    Ended,
}

/// Asks for a password, without echo.
pub(crate) fn prompt(question: &str) -> io::Result<SecretSlice<u8>> {
    let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
    hide_input(&terminal)?;
    let answer = terminal
        .write_all(question.as_bytes())
        .and_then(|()| read_line(&mut terminal));
    let mut prompt = lock();
    if let Prompt::Open(terminal, before) = &*prompt {
        tcsetattr(terminal, OptionalActions::Flush, before)?;
        *prompt = Prompt::None;
    }
    answer
}

/// Turns the echo off, but for that of the end of the line.
fn hide_input(terminal: &File) -> io::Result<()> {
    let before = tcgetattr(terminal)?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    hidden.local_modes.insert(LocalModes::ECHONL);
    let mut prompt = lock();
    if matches!(*prompt, Prompt::Ended) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    *prompt = Prompt::Open(terminal.try_clone()?, before);
    tcsetattr(terminal, OptionalActions::Flush, &hidden)?;
    Ok(())
}

fn read_line(terminal: &mut File) -> io::Result<SecretSlice<u8>> {
    // All at once: a growing buffer would leave copies behind.
    let mut line = Zeroizing::new([0; MAX_LINE_LEN]);
    let mut length: usize = 0;
    loop {
        let free = line.get_mut(length..).unwrap_or_default();
        match terminal.read(free) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(more) => length = length.saturating_add(more),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        let read = line.get(..length).unwrap_or_default();
        if let Some(answer) = read.strip_suffix(b"\n") {
            return Ok(SecretSlice::from(answer.to_vec()));
        }
    }
}

/// Restores the terminal at the end of a run, if a prompt is open: without echo a shell could not go on.
pub(crate) fn restore_terminal() {
    let prompt = mem::replace(&mut *lock(), Prompt::Ended);
    if let Prompt::Open(mut terminal, before) = prompt {
        let _ = tcsetattr(&terminal, OptionalActions::Flush, &before);
        let _ = terminal.write_all(b"\n");
    }
}

fn lock() -> MutexGuard<'static, Prompt> {
    PROMPT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ask(key: &str) -> io::Result<SecretSlice<u8>> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    prompt(&format!("Enter password for private key {key}: "))
}
