//! Bounded reads of the files that a user names. Any of them may hold a secret.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use zeroize::Zeroizing;

use crate::text::os_reason;

/// Reads a regular file of at most `max` bytes. Anything else is refused, without waiting for the writer of a
/// FIFO.
///
/// # Errors
///
/// [`Error`] if the file cannot be read, is no regular file, or is larger.
pub(crate) fn read(path: impl AsRef<Path>, max: u64) -> Result<Zeroizing<Vec<u8>>, Error> {
    read_to_end(open_regular(path)?, max)
}

/// Opens a regular file, without waiting for the writer of a FIFO.
///
/// # Errors
///
/// [`Error`] if it cannot be opened, or is no regular file.
pub(crate) fn open_regular(path: impl AsRef<Path>) -> Result<File, Error> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = open(path.as_ref(), flags, Mode::empty()).map_err(io::Error::from)?;
    let file = File::from(file);
    if !file.metadata()?.is_file() {
        return Err(Error::NotAFile);
    }
    Ok(file)
}

/// Reads a file of at most `max` bytes, or a pipe to its end: that of `/dev/stdin`, or a FIFO, whose writer is
/// waited for.
///
/// # Errors
///
/// [`Error`] if it cannot be read or is larger.
pub(crate) fn read_stream(path: impl AsRef<Path>, max: u64) -> Result<Zeroizing<Vec<u8>>, Error> {
    read_to_end(File::open(path)?, max)
}

fn read_to_end(file: File, max: u64) -> Result<Zeroizing<Vec<u8>>, Error> {
    // One byte more shows that there is more. All of it at once: a growing buffer would leave copies behind.
    let bound = max.saturating_add(1);
    let capacity = usize::try_from(bound).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(bound).read_to_end(&mut bytes)?;
    if bytes.len() == capacity {
        return Err(Error::Oversized { max });
    }
    Ok(bytes)
}

/// The reason why a file is not read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub(crate) enum Error {
    #[error("{}", os_reason(.0))]
    Io(#[from] io::Error),
    #[error("it is not a regular file")]
    NotAFile,
    #[error("it is larger than {max} bytes")]
    Oversized { max: u64 },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        for path in [folder.path(), &fifo, Path::new("/dev/zero")] {
            let read = read(path, 10);
            assert!(matches!(read, Err(Error::NotAFile)), "{path:?}");
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [7; 10]).unwrap();
        assert_eq!(*read(file.path(), 10).unwrap(), [7; 10]);
        let oversized = read(file.path(), 9);
        assert!(matches!(oversized, Err(Error::Oversized { max: 9 })));
        let missing = read(file.path().with_extension("none"), 9);
        assert!(
            matches!(missing, Err(Error::Io(error)) if error.kind() == io::ErrorKind::NotFound)
        );
    }
}
