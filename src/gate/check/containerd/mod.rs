//! containerd's configuration: its files in the order in which they count, and the settings that follow from them.

mod files;
mod globs;
mod settings;

#[cfg(test)]
use self::files::Error;
pub(super) use self::files::Files;
pub(super) use self::settings::{Found, Settings};
