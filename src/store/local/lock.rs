//! The lock on a directory, and who has it.

use std::os::fd::OwnedFd;

use rustix::fs::{self, FlockOperation, major, minor};
use rustix::io::Errno;

use crate::text::printable;

/// Tries to lock a directory, without waiting. Whether it is locked; the lock ends with its handle.
///
/// Where a file system has no locks, a writer goes on without: links and RENAME_NOREPLACE are atomic without it, and what
/// has neither is read back.
pub(super) fn try_lock(folder: &OwnedFd) -> Result<bool, Errno> {
    match fs::flock(folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) | Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The process that has a directory locked, as far as the kernel shows it: ``process 71 (`tail`)``.
pub(super) fn holder(folder: &OwnedFd) -> Option<String> {
    let stat = fs::fstat(folder).ok()?;
    let (major, minor) = (major(stat.st_dev), minor(stat.st_dev));
    let file = format!("{major:02x}:{minor:02x}:{}", stat.st_ino);
    // 1: FLOCK  ADVISORY  WRITE 71 fe:01:23 0 EOF
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let pid = locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let of_directory = words.next() == Some("FLOCK");
        let pid = words.nth(2)?.parse::<u32>().ok()?;
        (of_directory && words.next() == Some(&file) && pid != 0).then_some(pid)
    })?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
    Some(match name {
        Ok(name) => format!("process {pid} (`{}`)", printable(name.trim_end())),
        Err(_) => format!("process {pid}"),
    })
}
