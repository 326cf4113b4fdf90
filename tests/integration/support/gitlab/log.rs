//! A job's log as GitLab reads it: lines, and sections that can be folded. Its own reader is
//! `lib/gitlab/ci/ansi2json/converter.rb`. Any output of a job that is neither text nor a section's mark would
//! change the display, and is refused here.
//! <https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections>

/// A line, in the sections that it lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) sections: Vec<String>,
    pub(crate) text: String,
    /// The line that a folded section still shows.
    pub(crate) header: bool,
}

/// A section's mark, and the text after it.
struct Mark<'a> {
    starts: bool,
    time: u64,
    name: &'a str,
    folded: bool,
    rest: &'a str,
}

const CLEAR: &str = "\u{1b}[0K";

/// The lines of a log, in which every section that is begun is ended.
pub(crate) fn read(log: &str) -> Result<Vec<Line>, String> {
    let mut open: Vec<(String, u64)> = Vec::new();
    let mut lines = Vec::new();
    for line in log.lines() {
        let (mut rest, mut header) = (line, false);
        // The marks stand at the start of a line, and each begins with a line that is cleared.
        while let Some(behind) = rest.strip_prefix(CLEAR) {
            let Some(mark) = mark(behind) else {
                return Err(format!("no mark: {line:?}"));
            };
            rest = mark.rest;
            match mark.starts {
                true if !mark.folded => return Err(format!("not folded: {line:?}")),
                true if open.iter().any(|(name, _)| name == mark.name) => {
                    return Err(format!("begun twice: {line:?}"));
                }
                true => {
                    open.push((mark.name.to_owned(), mark.time));
                    header = true;
                }
                false => match open.pop() {
                    Some((name, begun)) if name == mark.name && begun <= mark.time => {}
                    _ => return Err(format!("not begun: {line:?}")),
                },
            }
        }
        // GitLab finds marks in the middle of a line as well; they take control characters.
        if rest.chars().any(char::is_control) {
            return Err(format!("not text: {line:?}"));
        }
        if rest.is_empty() && rest.len() < line.len() {
            continue;
        }
        let sections = open.iter().map(|(name, _)| name.clone()).collect();
        let text = rest.to_owned();
        lines.push(Line {
            sections,
            text,
            header,
        });
    }
    match open.pop() {
        None => Ok(lines),
        Some((name, _)) => Err(format!("{name} is not ended")),
    }
}

/// `section_(start|end):TIME:NAME[OPTIONS]\r\e[0K`
fn mark(text: &str) -> Option<Mark<'_>> {
    let (starts, text) = match text.strip_prefix("section_start:") {
        Some(text) => (true, text),
        None => (false, text.strip_prefix("section_end:")?),
    };
    let (time, text) = text.split_once(':')?;
    let of_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let length = text.find(|c| !of_name(c))?;
    let (name, text) = text.split_at(length);
    let (folded, text) = match text.strip_prefix("[collapsed=true]") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let rest = text.strip_prefix('\r')?.strip_prefix(CLEAR)?;
    (!name.is_empty()).then_some(Mark {
        starts,
        time: time.parse().ok()?,
        name,
        folded,
        rest,
    })
}

/// The texts of a section.
pub(crate) fn section<'a>(lines: &'a [Line], name: &str) -> Vec<&'a str> {
    let inside = lines
        .iter()
        .filter(|line| !line.header && line.sections.iter().any(|section| section == name));
    inside.map(|line| line.text.as_str()).collect()
}

#[test]
fn a_log_is_read_as_gitlab_reads_it() {
    let log = "a\n\u{1b}[0Ksection_start:1:s[collapsed=true]\r\u{1b}[0KTitle\nb\n\u{1b}[0Ksection_end:2:s\r\u{1b}[0K\nc\n";
    let lines = read(log).unwrap();
    let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["a", "Title", "b", "c"]);
    assert_eq!(section(&lines, "s"), ["b"]);
    for (from, to) in [
        ("section_end:2:s", "section_end:0:s"),
        ("section_end:2:s", "section_end:2:t"),
        ("[collapsed=true]", ""),
        ("section_start:1", "section_start:now"),
        (
            "\u{1b}[0Ksection_end:2:s\r\u{1b}[0K\n",
            "section_end:2:s\r\u{1b}[0K\n",
        ),
        ("b\n", "b\u{1b}[2K\n"),
        ("b\n", "b\rc\n"),
        ("b\n", "\u{1b}[0Ksection_end:1:s\r\u{1b}[0K\n"),
        ("\u{1b}[0Ksection_end:2:s\r\u{1b}[0K\n", ""),
    ] {
        let broken = log.replace(from, to);
        assert!(read(&broken).is_err(), "{broken:?}");
    }
}
