//! The runner's masking of a log. It also knows each secret in the encoded forms in which it often appears.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

#[derive(Default)]
pub(crate) struct Masker {
    /// As they were given.
    pub(crate) values: Vec<String>,
    /// Those, and how they look when they are quoted.
    forms: Vec<String>,
}

/// The characters that a URI leaves as they are.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl Masker {
    pub(crate) fn hide(&mut self, value: &str) {
        if value.is_empty() || self.values.iter().any(|known| known == value) {
            return;
        }
        self.values.push(value.to_owned());
        let bytes = value.as_bytes();
        let shifted = |by: usize| bytes.get(by..).filter(|rest| !rest.is_empty());
        let json = serde_json::to_string(value).unwrap();
        let xml = value
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&apos;");
        let unquoted = value
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let forms = [
            value.to_owned(),
            STANDARD.encode(bytes),
            STANDARD.encode(shifted(1).unwrap_or(bytes)),
            STANDARD.encode(shifted(2).unwrap_or(bytes)),
            value.replace('"', "\\\""),
            value.replace('\'', "''"),
            json[1..json.len() - 1].to_owned(),
            utf8_percent_encode(value, UNRESERVED).to_string(),
            xml,
            unquoted
                .filter(|_| value.len() > 8)
                .unwrap_or(value)
                .to_owned(),
        ];
        for form in forms {
            if !self.forms.contains(&form) {
                self.forms.push(form);
            }
        }
    }

    pub(crate) fn masked(&self, text: &str) -> String {
        let mut hidden = Vec::new();
        for form in &self.forms {
            // Overlapping ones as well.
            let mut from = 0;
            while let Some(at) = text.get(from..).and_then(|rest| rest.find(form.as_str())) {
                let start = from + at;
                hidden.push((start, start + form.len()));
                from = start + text[start..].chars().next().map_or(1, char::len_utf8);
            }
        }
        hidden.sort_unstable();
        let (mut masked, mut shown) = (String::new(), 0);
        let mut at = 0;
        while let Some(&(start, mut end)) = hidden.get(at) {
            while let Some(&(_, later)) = hidden.get(at + 1).filter(|(next, _)| *next <= end) {
                end = end.max(later);
                at += 1;
            }
            masked.push_str(&text[shown..start]);
            masked.push_str("***");
            shown = end;
            at += 1;
        }
        masked + &text[shown..]
    }
}

#[test]
fn a_secret_is_masked_in_every_encoding() {
    let mut masker = Masker::default();
    masker.hide("");
    masker.hide("a\"b c");
    for text in [
        "a\"b c",
        "a\\\"b c",
        "a%22b%20c",
        "a&quot;b c",
        "YSJiIGM=",
        "ImIgYw==",
    ] {
        assert_eq!(masker.masked(&format!("<{text}>")), "<***>", "{text}");
    }
    masker.hide("b cd");
    assert_eq!(masker.masked("xa\"b cdx, d"), "x***x, d");
    assert_eq!(masker.masked("a b c"), "a b c");
    masker.hide("ää");
    assert_eq!(masker.masked("äääö"), "***ö");
}
