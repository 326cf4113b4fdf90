//! Opens what lies below a directory, without following a symbolic link.

use std::os::fd::OwnedFd;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The flags that open a directory.
pub(super) const FOLDER: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens what lies below `folder` at `path`, following no link: `LOOP` if there is one on the way, or at its end
/// unless the flags open the link itself.
pub(super) fn beneath(folder: &OwnedFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let no_links = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match fs::openat2(folder, path, flags, Mode::empty(), no_links) {
        // A kernel before 5.6, or a sandbox that does not know the call: one component at a time.
        Err(Errno::NOSYS | Errno::PERM) => {}
        other => return other,
    }
    let mut current = fs::openat(folder, ".", FOLDER, Mode::empty())?;
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let flags = if names.peek().is_some() {
            FOLDER
        } else {
            flags
        };
        current = match fs::openat(&current, name, flags | OFlags::NOFOLLOW, Mode::empty()) {
            // Linux reports a link that may not be followed in different ways, by the flags.
            Err(Errno::NOTDIR) if is_link(&current, name) => return Err(Errno::LOOP),
            other => other?,
        };
    }
    Ok(current)
}

fn is_link(folder: &OwnedFd, name: &str) -> bool {
    fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}
