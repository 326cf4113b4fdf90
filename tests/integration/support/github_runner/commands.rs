//! The runner's search for commands in a step's output.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>

/// A command, as it was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// In lower case.
    pub(crate) name: String,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) data: String,
}

impl Command {
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        let mut known = self.properties.iter();
        known
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// The commands that every runner knows.
const KNOWN: [&str; 16] = [
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "notice",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "stop-commands",
    "warning",
    // Known to runners that check out by themselves.
    "internal-set-repo-path",
];

pub(crate) fn is_known(name: &str) -> bool {
    KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The command of a line, if it is one that is `known`.
pub(crate) fn parse(line: &str, known: impl Fn(&str) -> bool) -> Option<Command> {
    of_today(line, &known).or_else(|| of_old(line, &known))
}

/// `::NAME KEY=VALUE,KEY=VALUE::DATA`, after white space of any kind.
fn of_today(line: &str, known: impl Fn(&str) -> bool) -> Option<Command> {
    let rest = line.trim_start().strip_prefix("::")?;
    // The runner compares by its language, and there these characters count for nothing.
    let end = pair_of_colons(rest)?;
    let (name, properties) = split_name(&rest[..end]);
    known(name).then(|| Command {
        name: name.to_ascii_lowercase(),
        properties: split_properties(properties.trim(), ',', "\r\n:,%"),
        data: unescaped(after_two(&rest[end..]), "\r\n%"),
    })
}

/// `##[NAME KEY=VALUE;KEY=VALUE]DATA`, anywhere in a line; but the first `##[` decides.
fn of_old(line: &str, known: impl Fn(&str) -> bool) -> Option<Command> {
    let (_, rest) = line.split_once("##[")?;
    let (info, data) = rest.split_once(']')?;
    let (name, properties) = split_name(info);
    known(name).then(|| Command {
        name: name.to_ascii_lowercase(),
        properties: split_properties(properties, ';', ";\r\n]%"),
        data: unescaped(data, ";\r\n]%"),
    })
}

fn split_name(info: &str) -> (&str, &str) {
    info.split_once(' ').unwrap_or((info, ""))
}

fn split_properties(text: &str, separator: char, escapes: &str) -> Vec<(String, String)> {
    let pairs = text
        .split(separator)
        .filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .map(|(name, value)| (name.to_owned(), unescaped(value, escapes)))
        .collect()
}

/// One after the other, `%` last.
fn unescaped(text: &str, escapes: &str) -> String {
    escapes.chars().fold(text.to_owned(), |text, c| {
        text.replace(&format!("%{:02X}", u32::from(c)), &c.to_string())
    })
}

/// Where the first `::` begins, even with invisible characters in it.
fn pair_of_colons(text: &str) -> Option<usize> {
    let mut colon = None;
    for (at, c) in text.char_indices() {
        match c {
            ':' if colon.is_some() => return colon,
            ':' => colon = Some(at),
            c if is_ignored(c) => {}
            _ => colon = None,
        }
    }
    None
}

/// The text after the first two characters, where the data begins for the runner.
fn after_two(text: &str) -> &str {
    let mut characters = text.chars();
    characters.nth(1);
    characters.as_str()
}

/// Whether a comparison by language skips a character.
fn is_ignored(c: char) -> bool {
    let space = matches!(c, '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}');
    (c.is_control() && !space)
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The lines of an output. For the runner a carriage return also ends one.
pub(crate) fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(['\r', '\n']) {
        lines.push(&rest[..end]);
        let ending = if rest[end..].starts_with("\r\n") {
            2
        } else {
            1
        };
        rest = &rest[end + ending..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

#[test]
fn a_command_stands_at_the_start_of_a_line_or_in_the_old_form_anywhere() {
    let read = |line: &str| {
        parse(line, is_known)
            .map(|found| format!("{} {:?} {}", found.name, found.properties, found.data))
    };
    for (line, expected) in [
        ("::error::a%0Ab%250A%3A", Some("error [] a\nb%0A%3A")),
        (" \u{2003}\t::Error ::x", Some("error [] x")),
        (
            "::error title=a%2Cb%3A%25,=x,line=1::",
            Some(r#"error [("title", "a,b:%"), ("line", "1")] "#),
        ),
        (
            "::error file=a=b::x::y",
            Some(r#"error [("file", "a=b")] x::y"#),
        ),
        ("::error:\u{200b}:x", Some("error [] :x")),
        ("x ::error::x", None),
        ("\u{200b}::error::x", None),
        ("::eror::x", None),
        ("::error", None),
        (
            "S3 said: ##[error a=1;b=%5D]%3Bx",
            Some(r#"error [("a", "1"), ("b", "]")] ;x"#),
        ),
        ("##[x]##[error]x", None),
        ("##[error", None),
    ] {
        assert_eq!(read(line).as_deref(), expected, "{line:?}");
    }
    assert_eq!(lines("a\rb\r\n\nc"), ["a", "b", "", "c"]);
}
