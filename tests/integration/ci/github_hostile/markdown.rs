//! A summary as GitHub renders it, with a port of its own parser.

use comrak::nodes::NodeValue;
use comrak::{Arena, Options, parse_document};

/// The tags that our summaries have.
const TAGS: [&str; 8] = [
    "<code>",
    "</code>",
    "<details>",
    "</details>",
    "<pre>",
    "</pre>",
    "<summary>",
    "</summary>",
];

/// The elements of a summary, in order: a heading, tables, rows, tags. Or the element in it that no
/// summary of ours has.
pub(super) fn shape(summary: &str) -> Result<Vec<String>, String> {
    let mut options = Options::default();
    let github = &mut options.extension;
    github.alerts = true;
    github.autolink = true;
    github.footnotes = true;
    github.math_code = true;
    github.math_dollars = true;
    github.strikethrough = true;
    github.table = true;
    github.tasklist = true;
    let arena = Arena::new();
    let mut reading = Reading::default();
    for node in parse_document(&arena, summary, &options).descendants() {
        reading.next(&node.data.borrow().value)?;
    }
    let Reading { parts, words, .. } = reading;
    is_inactive(&words)?;
    let headings = parts.iter().filter(|part| part.starts_with("heading"));
    if headings.count() != 1 || parts.first().is_none_or(|first| first != "heading 3") {
        return Err(format!("its headings are others: {parts:?}"));
    }
    Ok(parts)
}

#[derive(Default)]
struct Reading {
    parts: Vec<String>,
    /// The text that is not in code.
    words: String,
    in_code: bool,
}

impl Reading {
    fn next(&mut self, value: &NodeValue) -> Result<(), String> {
        if self.in_code && value.block() {
            return Err("code does not end where it should".to_owned());
        }
        let part = match value {
            NodeValue::Document | NodeValue::SoftBreak => return Ok(()),
            NodeValue::Text(text) => {
                if !self.in_code {
                    self.words.push_str(text);
                    self.words.push(' ');
                }
                return Ok(());
            }
            NodeValue::Heading(heading) => format!("heading {}", heading.level),
            NodeValue::Paragraph => "paragraph".to_owned(),
            NodeValue::Strong => "strong".to_owned(),
            NodeValue::Code(_) => "code".to_owned(),
            NodeValue::Table(table) => format!("table of {} columns", table.num_columns),
            NodeValue::TableRow(_) => "row".to_owned(),
            NodeValue::TableCell => "cell".to_owned(),
            NodeValue::HtmlInline(tag) => {
                match (tag.as_str(), self.in_code) {
                    ("<code>", false) => self.in_code = true,
                    ("</code>", true) => self.in_code = false,
                    // It keeps what is beside it apart, and shows nothing.
                    ("<wbr>", true) => {}
                    _ => return Err(format!("there is {tag}")),
                }
                // Only words that could mean something are code, so their number depends on the text.
                return Ok(());
            }
            NodeValue::Link(link) if is_ours(&link.url) => "link".to_owned(),
            NodeValue::HtmlBlock(html) => tags(&html.literal)?,
            other => return Err(format!("there is {other:?}")),
        };
        self.parts.push(part);
        Ok(())
    }
}

/// Whether a link leads to the page about an error.
fn is_ours(url: &str) -> bool {
    let rest = url.strip_prefix("https://github.com/s3lo/sign-action/blob/");
    let code = rest.and_then(|rest| rest.split_once("/docs/errors.md#"));
    let plain = |text: &str| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        text.bytes().all(letter)
    };
    code.is_some_and(|(revision, code)| plain(revision) && plain(code))
}

/// The tags of a block of HTML, which have to be ours.
fn tags(html: &str) -> Result<String, String> {
    let mut tags = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let tag = TAGS.into_iter().find(|tag| rest.starts_with(tag));
        let line = rest.lines().next().unwrap_or_default();
        let tag = tag.ok_or_else(|| format!("there is {line}"))?;
        tags.push_str(tag);
        rest = &rest[tag.len()..];
    }
    Ok(tags)
}

/// Fails at what GitHub makes links and pictures of where it stands outside of code: mentions, issues, commits,
/// addresses, faces.
fn is_inactive(words: &str) -> Result<(), String> {
    let apart = |c: char| c.is_whitespace() || "()[]{},;'\"`".contains(c);
    for word in words.split(apart) {
        let digit = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
        let issue = word.split('#').skip(1).any(digit) || word.contains("GH-");
        let address = ["@", "://", "www."].iter().any(|part| word.contains(part));
        let hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut between: Vec<_> = word.split(':').skip(1).collect();
        between.pop();
        if issue || address || (hex && word.len() == 40) || between.into_iter().any(is_face) {
            return Err(format!("outside of code there is `{word}`"));
        }
    }
    Ok(())
}

/// The name between the colons of `:tada:`.
fn is_face(name: &str) -> bool {
    let letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_+-".contains(&byte);
    name.bytes().all(letter) && name.bytes().any(|byte| !byte.is_ascii_digit())
}

#[test]
fn what_no_summary_of_ours_has_is_found() {
    let with = |text: &str| {
        let table = format!("| A | B |\n|---|---|\n| {text} | <code>b</code> |\n");
        shape(&format!(
            "### Signed\n\n{table}\n<details><summary>x</summary>\n\n</details>\n"
        ))
    };
    let plain = with("<code>a</code>").unwrap();
    assert_eq!(plain[..3], ["heading 3", "table of 2 columns", "row"]);
    for harmless in [
        "<code>&#64;octocat&#124;b &#58;tada&#58; https&#58;//evil.example</code>",
        "<code>&#60;script></code>",
        "<code>boo<wbr>&#64;evil.example</code>",
    ] {
        assert_eq!(with(harmless).unwrap(), plain, "{harmless}");
    }
    assert_ne!(with("<code>a</code> | <code>b</code>\n| c").unwrap(), plain);
    for hostile in [
        "[a](https://evil.example)",
        "[a](https://github.com/s3lo/sign-action/blob/main/docs/errors.md?x#usage)",
        "[a](https://github.com/s3lo/sign-action/blob/main/../docs/errors.md#usage)",
        "![a](b)",
        "https://evil.example",
        "boo@evil.example",
        // A character reference is plain text to a search for mail addresses.
        "<code>boo&#64;evil.example</code>",
        "<b>",
        "<code class=x>",
        "<!-- x -->",
        "*a*",
        "$a$",
        "@octocat",
        "&#64;octocat",
        ":tada:",
        "acme/app#1",
        "ffac537e6cbbf934b08745a378932722df287a53",
        "<code>a | b</code>",
        "</code>",
        "a |\n\n# b\n",
        "a |\n\n- b\n",
    ] {
        assert!(with(hostile).is_err(), "{hostile}: {:?}", with(hostile));
    }
}
