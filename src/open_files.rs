//! The limit of open files: raised as far as this process may, and not exceeded by work side by side.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The files that a process has open besides those for images: streams, the runtime, logins, keys.
const OTHERS: u64 = 64;

/// The files that one request may have open: a connection and one that is on its way, or a directory, its parents
/// and a file.
const OF_A_REQUEST: u64 = 4;

/// Raises the soft limit to the hard one. Shells set a low one for programs that use `select`
/// ([why](https://0pointer.net/blog/file-descriptor-limits.html)).
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Where a sandbox forbids it, fewer images are worked on at once.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// How many images are worked on at the same time: as many as `asked`, unless the files run out. Each has requests for its
/// manifest, the list of its records, and the record of each key.
pub(crate) fn concurrency(asked: usize, keys: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let bounded = bounded(asked, keys, limit.unwrap_or(u64::MAX));
    if bounded < asked {
        tracing::debug!(
            "{bounded} images at the same time: the limit of open files allows no more"
        );
    }
    bounded
}

fn bounded(asked: usize, keys: usize, limit: u64) -> usize {
    let requests = u64::try_from(keys).unwrap_or(u64::MAX).saturating_add(2);
    let images = limit
        .saturating_sub(OTHERS)
        .checked_div(requests.saturating_mul(OF_A_REQUEST));
    let images = usize::try_from(images.unwrap_or_default()).unwrap_or(usize::MAX);
    asked.min(images.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_images_are_worked_on_as_there_are_files_for() {
        for (asked, keys, limit, expected) in [
            (16, 1, 1024, 16),
            (700, 1, 1024, 80),
            (16, 100, 1024, 2),
            (16, 1, 20, 1),
            (1024, 100, u64::MAX, 1024),
            (16, usize::MAX, 1024, 1),
        ] {
            assert_eq!(
                bounded(asked, keys, limit),
                expected,
                "{asked} {keys} {limit}"
            );
        }
    }
}
