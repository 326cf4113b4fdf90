//! The settings that follow from all files together.
//!
//! Tables below `plugins` are merged, and of two values of one name the later file's counts, `false` and an empty text as
//! well. Each file is brought to the newest format before that, in which old tables of CRI go before new ones of the same
//! file ([migrateConfig](https://github.com/containerd/containerd/blob/v2.4.2/plugins/cri/images/plugin.go#L200)):
//! in version 2 and before, and from containerd 2.3 on in version 3 too.

use std::collections::BTreeSet;

use crate::gate::check::containerd::files::{File, Files};
use crate::gate::check::toml_file::{Node, below};

/// The table of CRI for images, from version 3 on.
const IMAGES: &str = "io.containerd.cri.v1.images";

/// The table of CRI before.
const CRI: &str = "io.containerd.grpc.v1.cri";

/// The same in version 1.
const CRI_OF_VERSION_1: &str = "cri";

/// Settings that were below `containerd` in the old table. They are taken over only if `runtimes` is there too.
const BELOW_CONTAINERD: [&str; 3] = [
    "snapshotter",
    "disable_snapshot_annotations",
    "discard_unpacked_layers",
];

/// Settings that are taken over from the old table itself.
const TAKEN_OVER: [&str; 3] = [
    "registry",
    "max_concurrent_downloads",
    "image_pull_with_sync_fs",
];

/// A value, and its place.
#[derive(Clone, Copy, Debug)]
pub(in crate::gate::check) struct Found<'a> {
    /// The value.
    pub(in crate::gate::check) node: &'a Node,
    file: &'a File,
}

impl Found<'_> {
    /// The file and the line.
    pub(in crate::gate::check) fn place(&self) -> String {
        self.file.toml.place(self.node)
    }
}

/// The settings, read as containerd of some versions does.
#[derive(Clone, Copy, Debug)]
pub(in crate::gate::check) struct Settings<'a> {
    files: &'a Files,
    /// Whether old tables count in a file of version 3.
    old_in_version_3: bool,
}

impl<'a> Settings<'a> {
    /// The settings as containerd before 2.3 and from 2.3 on reads them.
    pub(in crate::gate::check) fn of_versions(files: &'a Files) -> [Self; 2] {
        [false, true].map(|old_in_version_3| Self {
            files,
            old_in_version_3,
        })
    }

    /// A value of CRI's table for images.
    pub(in crate::gate::check) fn of_images(self, names: &[&str]) -> Option<Found<'a>> {
        self.last(|file| self.of_images_in(file, names))
    }

    /// The value of a table that is below CRI's table for images, in each file that has it: tables are merged.
    pub(in crate::gate::check) fn tables_of_images(self, names: &[&str]) -> Vec<Found<'a>> {
        let files = self.files.0.iter();
        let found = files.filter_map(|file| {
            let node = self.of_images_in(file, names)?;
            Some(Found { node, file })
        });
        found.collect()
    }

    fn of_images_in(self, file: &'a File, names: &[&str]) -> Option<&'a Node> {
        let new = || file.toml.at(&[&["plugins", IMAGES], names].concat());
        let old = self.old_table(file);
        let (first, rest) = names.split_first()?;
        // What the old table has of a setting takes the place of all that the new one has of it.
        let old = old.and_then(|old| {
            let old = old.as_table()?;
            if TAKEN_OVER.contains(first) {
                return old.get(*first);
            }
            let containerd = old.get("containerd")?.as_table()?;
            let is_taken_over =
                BELOW_CONTAINERD.contains(first) && containerd.contains_key("runtimes");
            is_taken_over.then(|| containerd.get(*first)).flatten()
        });
        match old {
            Some(old) if rest.is_empty() => Some(old),
            Some(old) => below(old.as_table()?, rest),
            None => new(),
        }
    }

    fn old_table(self, file: &'a File) -> Option<&'a Node> {
        let named = file.toml.at(&["plugins", CRI]);
        match file.version {
            ..=1 => named.or_else(|| file.toml.at(&["plugins", CRI_OF_VERSION_1])),
            2 => named,
            3 if self.old_in_version_3 => named,
            _ => None,
        }
    }

    /// A value of a plug-in.
    pub(in crate::gate::check) fn of_plugin(self, plugin: &str, name: &str) -> Option<Found<'a>> {
        self.last(|file| file.toml.at(&["plugins", plugin, name]))
    }

    fn last(self, find: impl Fn(&'a File) -> Option<&'a Node>) -> Option<Found<'a>> {
        let mut files = self.files.0.iter().rev();
        files.find_map(|file| {
            let node = find(file)?;
            Some(Found { node, file })
        })
    }

    /// The plug-ins that are disabled, with their places: the lists of all files together.
    pub(in crate::gate::check) fn disabled(self) -> Vec<(&'a str, Found<'a>)> {
        self.plugins_in("disabled_plugins")
    }

    /// The plug-ins without which containerd does not start.
    pub(in crate::gate::check) fn required(self) -> BTreeSet<&'a str> {
        let required = self.plugins_in("required_plugins").into_iter();
        required.map(|(name, _)| name).collect()
    }

    fn plugins_in(self, list: &str) -> Vec<(&'a str, Found<'a>)> {
        let files = self.files.0.iter();
        let named = files.flat_map(|file| {
            let nodes = file.toml.at(&[list]).into_iter().flat_map(Node::texts);
            nodes.map(move |(name, node)| {
                let name = match name {
                    CRI_OF_VERSION_1 if file.version <= 1 => CRI,
                    name => name,
                };
                (name, Found { node, file })
            })
        });
        named.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Error;
    use super::*;
    use crate::gate::check::toml_file::Value;

    const IMPORTS: &str = "imports = [\"*.d.toml\"]\n";

    /// The files that these texts make, the first of which imports the others.
    fn files(texts: &[&str]) -> Files {
        let folder = tempfile::tempdir().unwrap();
        for (number, text) in texts.iter().enumerate() {
            let name = match number {
                0 => "config.toml".to_owned(),
                number => format!("{number}.d.toml"),
            };
            std::fs::write(folder.path().join(name), format!("{IMPORTS}{text}")).unwrap();
        }
        Files::load(&folder.path().join("config.toml")).unwrap()
    }

    fn value(files: &Files, old_in_version_3: bool, names: &[&str]) -> Option<String> {
        let settings = Settings::of_versions(files)[usize::from(old_in_version_3)];
        settings
            .of_images(names)
            .map(|found| match &found.node.value {
                Value::Boolean(flag) => flag.to_string(),
                Value::Integer(number) => number.to_string(),
                Value::Text(text) => text.clone(),
                other => format!("{other:?}"),
            })
    }

    const DISCARD: &[&str] = &["discard_unpacked_layers"];

    fn new(version: u8, value: &str) -> String {
        format!(
            "version = {version}\n[plugins.'io.containerd.cri.v1.images']\ndiscard_unpacked_layers = {value}\n"
        )
    }

    fn old(value: &str) -> String {
        format!(
            "[plugins.'io.containerd.grpc.v1.cri'.containerd]\ndiscard_unpacked_layers = {value}\n[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]\n"
        )
    }

    /// Seen with containerd 2.4.2.
    #[test]
    fn the_old_table_counts_where_containerd_takes_it_over() {
        let of = |text: &str, old_in_version_3| value(&files(&[text]), old_in_version_3, DISCARD);
        let both = |version| new(version, "false") + &old("true");
        assert_eq!(of(&new(3, "true"), false).unwrap(), "true");
        assert_eq!(
            of(&format!("version = 2\n{}", old("true")), false).unwrap(),
            "true"
        );
        assert_eq!(of(&both(2), false).unwrap(), "true");
        assert_eq!(of(&both(3), false).unwrap(), "false");
        assert_eq!(of(&both(3), true).unwrap(), "true");
        assert_eq!(of(&both(4), true).unwrap(), "false");
        // Without the runtimes it is not.
        let without = both(2).replace(".containerd.runtimes.runc", ".cni");
        assert_eq!(of(&without, true).unwrap(), "false");
        // Version 1, and none.
        let first = "[plugins.cri]\nmax_concurrent_downloads = 9\n";
        for version in ["", "version = 1\n"] {
            let files = files(&[&format!("{version}{first}")]);
            assert_eq!(
                value(&files, false, &["max_concurrent_downloads"]).unwrap(),
                "9"
            );
        }
        assert_eq!(
            value(
                &files(&[&format!("version = 2\n{first}")]),
                true,
                &["max_concurrent_downloads"]
            ),
            None
        );
    }

    #[test]
    fn the_later_file_decides_whatever_its_version() {
        let main = format!("version = 2\n{}", old("true"));
        assert_eq!(
            value(&files(&[&main, &new(3, "false")]), true, DISCARD).unwrap(),
            "false"
        );
        assert_eq!(
            value(&files(&[&new(3, "false"), &main]), true, DISCARD).unwrap(),
            "true"
        );
        let three = files(&[&new(3, "false"), &new(3, "true"), &new(3, "false")]);
        assert_eq!(value(&three, true, DISCARD).unwrap(), "false");
        let found = Settings::of_versions(&three)[0].of_images(DISCARD).unwrap();
        assert!(found.place().ends_with("/2.d.toml:4"), "{}", found.place());
    }

    #[test]
    fn a_registry_of_the_old_table_takes_the_place_of_the_new_one() {
        let text = "version = 2\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = \"/new\"\n\
                    [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'docker.io']\nendpoint = []\n";
        let files = files(&[text]);
        assert_eq!(value(&files, true, &["registry", "config_path"]), None);
        let settings = Settings::of_versions(&files)[0];
        assert_eq!(settings.tables_of_images(&["registry", "mirrors"]).len(), 1);
    }

    #[test]
    fn lists_of_plug_ins_are_united() {
        let files = files(&[
            "disabled_plugins = [\"cri\", \"a.b\"]",
            "version = 2\ndisabled_plugins = [\"cri\", \"c.d\"]\nrequired_plugins = [\"e.f\"]",
        ]);
        let settings = Settings::of_versions(&files)[0];
        let disabled: Vec<_> = settings
            .disabled()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(disabled, [CRI, "a.b", "cri", "c.d"]);
        assert_eq!(settings.required(), BTreeSet::from(["e.f"]));
    }

    #[test]
    fn imports_are_followed_once_and_one_that_is_missing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let load = || Files::load(&folder.path().join("config.toml"));
        assert_eq!(load().unwrap().paths().count(), 0, "no file");
        write("config.toml", "imports = [\"./a.toml\", \"none*.toml\"]");
        write("a.toml", "imports = [\"config.toml\", \"a.toml\"]");
        assert_eq!(load().unwrap().paths().count(), 2);
        write("a.toml", "imports = [\"b.toml\"]");
        let error = load().unwrap_err();
        assert!(matches!(error, Error::MissingImport { .. }), "{error}");
        write("a.toml", "version = 5");
        assert!(matches!(load(), Err(Error::Version { version: 5, .. })));
        write("a.toml", "x = ");
        assert!(matches!(load(), Err(Error::Malformed { .. })));
        write("a.toml", &"#".repeat(1024 * 1024 + 1));
        assert!(matches!(load(), Err(Error::Unreadable { .. })));
    }
}
