//! The store that a reference to a missing image probably means: the directory of a reference is one path component, and
//! a path has more.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use s3lo_core::reference::Reference;

use crate::similar::nearest_entry;
use crate::text::{printable, quoted};

/// Roots that a shell did not expand: `~` inside of a word, and a variable in single quotes.
const UNEXPANDED: [&str; 3] = ["~", "$HOME", "${HOME}"];

/// Advice for a reference to an image that is not in its store.
pub(super) fn meant(reference: &Reference) -> Option<String> {
    let root = reference.root();
    let unexpanded = UNEXPANDED.contains(&root);
    let base = if unexpanded {
        PathBuf::from(std::env::var_os("HOME")?)
    } else {
        PathBuf::from(root)
    };
    let parts: Vec<&str> = reference.image().split('/').collect();
    let stores = (0..parts.len()).filter_map(|number| {
        let (folders, image) = parts.split_at_checked(number)?;
        let store: PathBuf = base
            .iter()
            .chain(folders.iter().map(AsRef::as_ref))
            .collect();
        let manifests = store.join("manifests");
        let is_image = manifests
            .join(image.join("/"))
            .join(reference.tag())
            .is_dir();
        (manifests.is_dir() && (number > 0 || unexpanded)).then_some((is_image, store, image))
    });
    let mut found: Vec<_> = stores.collect();
    // That of the image goes before one that is only a store.
    found.sort_by_key(|(is_image, ..)| !is_image);
    match found.into_iter().next() {
        Some((_, store, image)) => {
            let (above, name) = (store.parent()?, store.file_name()?.to_str()?);
            let above = match above.to_str()? {
                "" => ".",
                above => above,
            };
            let image = quoted(&format!(
                "local://./{name}/{}:{}",
                image.join("/"),
                reference.tag()
            ));
            Some(format!(
                "run `cd {}`, and write `{image}`: in `local://DIRECTORY/IMAGE:TAG` the directory is one name",
                quoted(above)
            ))
        }
        None if unexpanded => Some(format!(
            "`cd` to the directory that has the store, and write `local://./STORE/IMAGE:TAG`: a shell expands `{root}` only where a word begins, and not in single quotes"
        )),
        None => misspelt(reference),
    }
}

/// Advice for a folder that does not exist.
fn misspelt(reference: &Reference) -> Option<String> {
    let root = Path::new(reference.root());
    if root.exists() {
        return None;
    }
    let missing = format!("there is no folder `{}`", printable(reference.root()));
    let name = root.file_name()?.to_str()?;
    let is_store = |entry: &DirEntry| entry.path().join("manifests").is_dir();
    let Some(near) = nearest_entry(root, is_store) else {
        return Some(format!(
            "{missing}: check its name, and the directory in which you run this"
        ));
    };
    let above = reference.root().strip_suffix(name).unwrap_or_default();
    let meant = format!(
        "local://{above}{near}/{}:{}",
        reference.image(),
        reference.tag()
    );
    Some(format!("{missing}: did you mean `{}`?", quoted(&meant)))
}
