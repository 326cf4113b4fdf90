//! The files by which a step passes outputs to the runner.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#environment-files>

/// The largest summary of a step that is shown, in bytes.
pub(crate) const LARGEST_SUMMARY: usize = 1024 * 1024;

/// The pairs of a file such as GITHUB_OUTPUT: `NAME=VALUE`, or `NAME<<DELIMITER`, the value and the
/// delimiter on lines of their own. What the runner fails the step with where it is something else.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut rest = text;
    while let Some((line, after)) = first_line(rest) {
        rest = after.unwrap_or_default();
        if line.is_empty() {
            continue;
        }
        let heredoc = line.find("<<");
        match line.split_once('=') {
            Some((name, value)) if heredoc.is_none_or(|at| name.len() < at) => {
                pairs.push((name.to_owned(), value.to_owned()));
            }
            _ => {
                let at = heredoc.ok_or_else(|| format!("Invalid format '{line}'"))?;
                let (name, delimiter) = (&line[..at], &line[at + 2..]);
                if name.is_empty() || delimiter.is_empty() {
                    return Err(format!(
                        "Invalid format '{line}'. Name must not be empty and delimiter must not be empty"
                    ));
                }
                let (value, after) = heredoc_value(rest, delimiter)?;
                pairs.push((name.to_owned(), value.to_owned()));
                rest = after;
            }
        }
    }
    Ok(pairs)
}

/// The lines before a delimiter, and the text after it.
fn heredoc_value<'a>(text: &'a str, delimiter: &str) -> Result<(&'a str, &'a str), String> {
    let (mut rest, mut end) = (text, 0);
    loop {
        let Some((line, after)) = first_line(rest) else {
            return Err(format!(
                "Invalid value. Matching delimiter not found '{delimiter}'"
            ));
        };
        if line == delimiter {
            return Ok((&text[..end], after.unwrap_or_default()));
        }
        let Some(after) = after else {
            return Err("Invalid value. EOF marker missing new line.".to_owned());
        };
        end = text.len() - after.len() - 1;
        rest = after;
    }
}

/// The first line and the text after it, which is nothing if the line does not end.
fn first_line(text: &str) -> Option<(&str, Option<&str>)> {
    if text.is_empty() {
        return None;
    }
    match text.split_once('\n') {
        Some((line, rest)) => Some((line, Some(rest))),
        None => Some((text, None)),
    }
}

#[test]
fn what_is_no_pair_fails_the_step() {
    let read = |text: &str| match pairs(text) {
        Ok(pairs) => pairs
            .iter()
            .map(|(name, value)| format!("{name}:{value:?}"))
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => error,
    };
    for (text, expected) in [
        ("a=1\n\nb=<<2\nc=", r#"a:"1" b:"<<2" c:"""#),
        ("a<<E\nE\nb<<E\n1\n\n=2\nE\n", r#"a:"" b:"1\n\n=2""#),
        ("a<<E=\n1\nE=\n", r#"a:"1""#),
        ("a<<E\r\n1\r\nE\r\n", r#"a:"1\r""#),
        ("a<<E\n1\nE", r#"a:"1""#),
        ("word\n", "Invalid format 'word'"),
        (
            "a<<E\n1 E\nE \n",
            "Invalid value. Matching delimiter not found 'E'",
        ),
        ("a<<E\n1E", "Invalid value. EOF marker missing new line."),
        (
            "<<E\nE\n",
            "Invalid format '<<E'. Name must not be empty and delimiter must not be empty",
        ),
        (
            "a<<\n\n",
            "Invalid format 'a<<'. Name must not be empty and delimiter must not be empty",
        ),
    ] {
        assert_eq!(read(text), expected, "{text:?}");
    }
}
