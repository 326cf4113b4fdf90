//! Names that were probably meant by a misspelt one.

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
