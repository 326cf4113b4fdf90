//! The paths that a pattern of `imports` stands for.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// The most names of a directory that are looked at.
const MAX_NAMES: usize = 10_000;

/// The path without `.`, and without `..` and what is before it, as containerd compares paths.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if clean.file_name().is_some() => _ = clean.pop(),
            Component::ParentDir if clean.has_root() => {}
            other => clean.push(other),
        }
    }
    clean
}

/// Whether a path is a pattern: to containerd only a `*` makes it one.
pub(super) fn is_pattern(path: &Path) -> bool {
    path.as_os_str().to_string_lossy().contains('*')
}

/// The paths that a pattern stands for, sorted; `None` for a pattern with sets of characters, which nothing here reads.
pub(super) fn expanded(pattern: &Path) -> Option<Vec<PathBuf>> {
    let mut paths = vec![PathBuf::new()];
    for component in pattern.components() {
        let part = component.as_os_str().to_str()?;
        if part.contains(['[', '\\']) {
            return None;
        }
        if !part.contains(['*', '?']) {
            paths.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let below = |folder: PathBuf| {
            let mut names: Vec<OsString> = std::fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .take(MAX_NAMES)
                .flatten()
                .map(|entry| entry.file_name())
                .filter(|name| matches(part, &name.to_string_lossy()))
                .collect();
            names.sort_unstable();
            names.into_iter().map(move |name| folder.join(name))
        };
        paths = paths.into_iter().flat_map(below).collect();
    }
    paths.retain(|path| path.symlink_metadata().is_ok());
    Some(paths)
}

/// Whether a name is one of the pattern: `*` stands for any characters, `?` for one.
fn matches(pattern: &str, name: &str) -> bool {
    let [pattern, name] = [pattern, name].map(|text| text.chars().collect::<Vec<_>>());
    let (mut at, mut read) = (0, 0);
    // The last star, and the character up to which it stands for the name's.
    let mut star = None;
    while let Some(c) = name.get(read) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(expected) if ['?', *c].contains(expected) => {
                at += 1;
                read += 1;
            }
            _ => match star {
                Some((star_at, until)) => {
                    (at, read) = (star_at + 1, until + 1);
                    star = Some((star_at, until + 1));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_a_question_mark_for_one() {
        for (pattern, name, expected) in [
            ("*.toml", "a.toml", true),
            ("*.toml", ".toml", true),
            ("*.toml", "a.toml.bak", false),
            ("*", "", true),
            ("*", "any", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "axxbyybzzc", true),
            ("a*b*c", "acb", false),
            ("a**c", "abc", true),
            ("a*c", "ac", true),
            ("a*ca", "aca", true),
            ("a*aca", "aca", false),
            ("?-*.toml", "1-a.toml", true),
            ("?-*.toml", "-a.toml", false),
            ("*?", "", false),
            ("*?", "é", true),
            ("plain", "plain", true),
            ("plain", "plainer", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_stands_for_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "conf.d/b.toml",
            "conf.d/a.toml",
            "conf.d/c.txt",
            "more.d/d.toml",
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let names = |pattern: &str| -> Option<Vec<String>> {
            let paths = expanded(&folder.path().join(pattern))?.into_iter();
            let paths = paths.map(|path| path.strip_prefix(folder.path()).unwrap().to_owned());
            Some(paths.map(|path| path.display().to_string()).collect())
        };
        assert_eq!(
            names("conf.d/*.toml").unwrap(),
            ["conf.d/a.toml", "conf.d/b.toml"]
        );
        assert_eq!(names("*.d/?.toml").unwrap().len(), 3);
        assert_eq!(names("*/none.toml").unwrap(), [""; 0]);
        assert_eq!(names("none/*.toml").unwrap(), [""; 0]);
        assert_eq!(names("conf.d/[ab]*.toml"), None);
    }

    #[test]
    fn a_path_is_compared_without_its_dots() {
        for (path, expected) in [
            ("/etc//containerd/./a.toml", "/etc/containerd/a.toml"),
            ("/etc/containerd/../a.toml", "/etc/a.toml"),
            ("/../a.toml", "/a.toml"),
            ("../a.toml", "../a.toml"),
        ] {
            assert_eq!(clean(Path::new(path)), Path::new(expected), "{path}");
        }
    }
}
