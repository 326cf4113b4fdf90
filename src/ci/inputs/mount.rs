//! Paths of the runner's machine in the container of an action.
//!
//! The runner translates a variable that begins with the path of a folder it mounts
//! ([`TranslateToContainerPath`](https://github.com/actions/runner/blob/main/src/Runner.Worker/Container/ContainerInfo.cs)):
//! of a list of files the first alone.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::path::{Path, PathBuf};

use crate::ci::inputs::family::Variables;

/// Folders of the machine, and where the container has them.
pub(crate) struct Mount(Vec<(String, String)>);

impl Mount {
    /// The folders of this container; none elsewhere.
    pub(crate) fn of(variables: &Variables) -> Self {
        Self(folders(variables).unwrap_or_default())
    }

    /// Translates a path within one of the folders.
    pub(crate) fn translate(&self, path: &mut String) {
        let translated = self.0.iter().find_map(|(from, to)| {
            let rest = path.strip_prefix(from.as_str())?;
            rest.starts_with('/').then(|| format!("{to}{rest}"))
        });
        if let Some(translated) = translated {
            *path = translated;
        }
    }
}

fn folders(variables: &Variables) -> Option<Vec<(String, String)>> {
    let path = |name: &str| variables.get(name).and_then(|value| value.to_str());
    let inside = path("GITHUB_WORKSPACE")?;
    let outside = Path::new(path("RUNNER_WORKSPACE")?);
    let work = outside.parent()?;
    // The folder of the repository's name within RUNNER_WORKSPACE, which a container has as `/github/workspace`.
    let workspace = outside.join(outside.file_name()?);
    if Path::new(inside) == workspace || !inside.ends_with("/workspace") {
        return None;
    }
    let mut folders = vec![(workspace, inside)];
    folders.extend(path("RUNNER_TEMP").map(|temp| (work.join("_temp"), temp)));
    let owned = |(from, to): (PathBuf, &str)| (from.to_string_lossy().into_owned(), to.to_owned());
    Some(folders.into_iter().map(owned).collect())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[track_caller]
    fn translated(workspace: &str, path: &str) -> String {
        let variables = [
            ("GITHUB_WORKSPACE", workspace),
            ("RUNNER_WORKSPACE", "/home/runner/work/app"),
            ("RUNNER_TEMP", "/github/runner_temp"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), OsString::from(value)));
        let mut path = path.to_owned();
        Mount::of(&variables.into_iter().collect()).translate(&mut path);
        path
    }

    #[test]
    fn a_path_of_the_machine_becomes_one_of_the_container() {
        let inside = "/github/workspace";
        for (path, expected) in [
            ("/home/runner/work/app/app/a.pub", "/github/workspace/a.pub"),
            (
                "/home/runner/work/_temp/k/a.pub",
                "/github/runner_temp/k/a.pub",
            ),
            (
                "/home/runner/work/app/application/a.pub",
                "/home/runner/work/app/application/a.pub",
            ),
            ("/home/runner/a.pub", "/home/runner/a.pub"),
            (
                "./home/runner/work/app/app/a.pub",
                "./home/runner/work/app/app/a.pub",
            ),
            (
                "env:///home/runner/work/app/app/a",
                "env:///home/runner/work/app/app/a",
            ),
        ] {
            assert_eq!(translated(inside, path), expected);
            assert_eq!(translated("/home/runner/work/app/app", path), path);
        }
        let mut path = "/a".to_owned();
        Mount::of(&Variables::new()).translate(&mut path);
        assert_eq!(path, "/a");
    }
}
