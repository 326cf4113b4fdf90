//! Passwords: COSIGN_PASSWORD, or the person at the terminal.

use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::sync::{Mutex, PoisonError};

use secrecy::SecretSlice;

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

/// Asks for a password, without echo.
pub(crate) fn prompt(question: &str) -> io::Result<SecretSlice<u8>> {
    Ok(SecretSlice::from(
        rpassword::prompt_password(question)?.into_bytes(),
    ))
}

fn ask(key: &str) -> io::Result<SecretSlice<u8>> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    prompt(&format!("Enter password for private key {key}: "))
}
