//! Names that were probably meant by a misspelt one.

use std::fs;
use std::fs::DirEntry;
use std::path::Path;

use crate::atomic_file;

/// The name that is `text` but for a typing error, if there is one. Of a short name two letters are half.
pub(crate) fn nearest<T: AsRef<str>>(text: &str, names: impl IntoIterator<Item = T>) -> Option<T> {
    let measured = names.into_iter().filter_map(|name| {
        let errors = strsim::damerau_levenshtein(text, name.as_ref());
        let most = match name.as_ref().len().min(text.len()) {
            0..=2 => 0,
            3..=5 => 1,
            _ => 2,
        };
        (errors > 0 && errors <= most).then_some((errors, name))
    });
    let nearest = measured.min_by_key(|(errors, _)| *errors);
    nearest.map(|(_, name)| name)
}

/// The most entries of a folder that are looked at for a name.
const MAX_LOOKED_AT: usize = 1000;

/// The name in the folder of `path` that `path` has but for a typing error, among the entries that `is_wanted`.
pub(crate) fn nearest_entry(path: &Path, is_wanted: impl Fn(&DirEntry) -> bool) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let entries = fs::read_dir(atomic_file::parent(path)).ok()?.flatten();
    let wanted = entries.take(MAX_LOOKED_AT).filter(is_wanted);
    nearest(
        name,
        wanted.filter_map(|entry| entry.file_name().into_string().ok()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_near_and_another_name_is_not() {
        for (text, names, near) in [
            ("prd", &["dev", "prod"][..], Some("prod")),
            ("stroe", &["store", "stores"], Some("store")),
            ("v1.0.1", &["v1.0.0", "latest"], Some("v1.0.0")),
            ("v9", &["v1", "v2"], None),
            ("dev", &["dev", "prod"], None),
            ("main", &["release"], None),
        ] {
            assert_eq!(nearest(text, names.iter().copied()), near, "{text}");
        }
    }
}
