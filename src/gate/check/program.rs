//! The directory of verifiers: this program is there, containerd gets to it, and nothing else there stands in the way.
//!
//! containerd reads the directory at each pull. Every entry is run, also what is no program, in the order of the names
//! ([bindir.go](https://github.com/containerd/containerd/blob/v2.4.2/pkg/imageverifier/bindir/bindir.go)).

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::diagnostic::Diagnostic;
use crate::gate::check::problem::Problem;
use crate::gate::check::topic::{Check, Topic};
use crate::gate::check::verifiers::Plugin;
use crate::text::os_reason;

/// This very program, even if another one lies at its path by now.
const SELF: &str = "/proc/self/exe";

/// The most entries that are looked at.
const MAX_ENTRIES: usize = 1000;

/// Looks at the directory and what is in it.
pub(super) fn check(plugin: &Plugin) -> Vec<Check> {
    let directory = &plugin.directory;
    let names = match names(directory) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = directory.clone();
            return vec![failed(&Problem::NoDirectory { directory })];
        }
        Err(error) => {
            let reason = format!(
                "`{}` cannot be read: {}",
                directory.display(),
                os_reason(&error)
            );
            return vec![Check::unknown(Topic::Program, reason)];
        }
    };
    let paths: Vec<_> = names.iter().map(|name| directory.join(name)).collect();
    let blocking = paths.iter().filter(|path| !is_program(path));
    let mut checks: Vec<_> = blocking
        .map(|path| failed(&Problem::BlocksAll { path: path.clone() }))
        .collect();
    let own = paths.iter().position(|path| is_this_program(path));
    match own.and_then(|own| Some((own, paths.get(own)?))) {
        None => checks.push(failed(&Problem::NotInstalled {
            directory: directory.clone(),
            program: fs::read_link(SELF).unwrap_or_else(|_| PathBuf::from("s3lo")),
        })),
        Some((place, path)) if is_left_out(place, plugin.most) => {
            let name = path.file_name().unwrap_or_default();
            checks.push(failed(&Problem::LeftOut {
                name: name.to_string_lossy().into_owned(),
                number: paths.len(),
                most: plugin.most,
            }));
        }
        Some((_, path)) => {
            if checks.is_empty() {
                let detail = format!("this program is {}", path.display());
                checks.push(Check::ok(Topic::Program, detail));
            }
            checks.extend(writable([directory.clone(), path.clone()], Topic::Program));
        }
    }
    checks
}

fn failed(problem: &Problem) -> Check {
    Check::failed(Topic::Program, Diagnostic::new(problem))
}

/// The names of the entries, in containerd's order.
fn names(directory: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let entries = fs::read_dir(directory)?.take(MAX_ENTRIES);
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort_unstable();
    Ok(names)
}

/// Whether containerd runs no more than the entries before this one.
fn is_left_out(place: usize, most: i64) -> bool {
    usize::try_from(most).is_ok_and(|most| place >= most)
}

/// Whether an entry can be run.
fn is_program(path: &Path) -> bool {
    let is_executable = |meta: &Metadata| meta.is_file() && meta.permissions().mode() & 0o111 != 0;
    fs::metadata(path).as_ref().is_ok_and(is_executable)
}

/// Whether an entry is this program: the same file, or one with the same contents.
fn is_this_program(path: &Path) -> bool {
    let (Ok(entry), Ok(own)) = (fs::metadata(path), fs::metadata(SELF)) else {
        return false;
    };
    let same_file = (entry.dev(), entry.ino()) == (own.dev(), own.ino());
    let alike = entry.is_file() && entry.len() == own.len();
    is_program(path) && (same_file || alike && have_same_contents(path, Path::new(SELF)))
}

fn have_same_contents(one: &Path, other: &Path) -> bool {
    let (Ok(mut one), Ok(mut other)) = (File::open(one), File::open(other)) else {
        return false;
    };
    let (mut left, mut right) = ([0; 8192], [0; 8192]);
    loop {
        match (fill(&mut one, &mut left), fill(&mut other, &mut right)) {
            (Ok([]), Ok([])) => return true,
            (Ok(left), Ok(right)) if left == right => {}
            _ => return false,
        }
    }
}

/// The next bytes of a file; fewer than there is space for only at its end.
fn fill<'a>(file: &mut File, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(buffer.get(..filled).unwrap_or_default())
}

/// A problem for each of these that others than root, and than who runs this, may write.
pub(super) fn writable(
    paths: impl IntoIterator<Item = PathBuf>,
    topic: Topic,
) -> impl Iterator<Item = Check> {
    let is_writable = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|meta| {
            let is_foreign = ![0, geteuid().as_raw()].contains(&meta.uid());
            is_foreign || meta.permissions().mode() & 0o022 != 0
        })
    };
    let paths = paths.into_iter().filter(is_writable);
    paths.map(move |path| Check::failed(topic, Diagnostic::new(&Problem::Writable { path })))
}
