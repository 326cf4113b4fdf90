//! The versions of objects: by the content where all of it was read, and otherwise by what else shows a replacement.

use std::fs::File;

use rustix::fs::{self, FsWord, Stat};
use s3lo_core::digest::Digest;

use crate::store::Version;

/// The beginning of the version of an object that is larger than the limit of the read. The limit follows.
const OVERSIZED: &str = "oversized:";

/// `FUSE_SUPER_MAGIC`, by which [statfs(2)](https://man7.org/linux/man-pages/man2/statfs.2.html) names FUSE.
const FUSE: FsWord = 0x6573_5546;

/// The version of an object that was read whole.
pub(super) fn whole(bytes: &[u8]) -> Version {
    Version(Digest::of(bytes).to_string())
}

/// The version of an object that is not a file, by its metadata.
pub(super) fn metadata(stat: &Stat) -> Version {
    let Stat {
        st_ino,
        st_mode,
        st_size,
        st_mtime,
        st_mtime_nsec,
        ..
    } = stat;
    Version(format!(
        "unread:{st_ino}:{st_mode}:{st_size}:{st_mtime}:{st_mtime_nsec}"
    ))
}

/// The version of a directory that took the place of an object. Nothing is still in that version.
pub(super) fn directory() -> Version {
    Version("unread:".to_owned())
}

/// The version of an object that is larger than `limit`, of which `start` was read.
///
/// By its metadata, which a rename always changes: a file and its replacement have different inodes, even with one size
/// and within one tick of the clock that gives the times. Not so on FUSE, where metadata changes by itself. rclone was
/// seen to give a file another inode within a second of its rename, and another mtime and ctime within milliseconds: it
/// [sets them after the close](https://github.com/rclone/rclone/blob/v1.60.1/vfs/vfscache/item.go), for which the
/// kernel [does not wait](https://lkml.org/lkml/2014/8/21/457). There the size and the start count, as the content does
/// for an object that was read whole.
pub(super) fn oversized(file: &File, stat: &Stat, start: &[u8], limit: u64) -> Version {
    let seen = if is_fuse(file) {
        format!("{}:{}", stat.st_size, Digest::of(start))
    } else {
        metadata(stat).0
    };
    Version(format!("{OVERSIZED}{limit}:{seen}"))
}

/// The limit with which an object must be read again to compare it with `version`, if it was too large.
pub(super) fn limit(version: &Version) -> Option<u64> {
    let (limit, _) = version.0.strip_prefix(OVERSIZED)?.split_once(':')?;
    limit.parse().ok()
}

/// Whether a file lies on FUSE, or may do so.
fn is_fuse(file: &File) -> bool {
    fs::fstatfs(file).map_or(true, |system| system.f_type == FUSE)
}
