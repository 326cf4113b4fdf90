//! The runner's handling of a step's output, line by line.

use super::commands::{self, Command, is_known, parse};
use super::masker::Masker;

/// The most of each kind that are shown for a step, and the most characters of one.
pub(crate) const MOST_ANNOTATIONS: usize = 10;
const LONGEST_ANNOTATION: usize = 4096;

/// The most characters of a title
/// ([annotations](https://docs.github.com/en/rest/checks/runs#create-a-check-run)).
const LONGEST_TITLE: usize = 255;

/// A box on the page of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Annotation {
    /// `error`, `warning` or `notice`.
    pub(crate) kind: String,
    pub(crate) title: Option<String>,
    pub(crate) message: String,
}

#[derive(Default)]
pub(crate) struct Console {
    /// Whether `debug` is shown.
    debug: bool,
    pub(crate) masker: Masker,
    /// Those that were carried out, in their order.
    pub(crate) commands: Vec<Command>,
    /// The lines that users see.
    pub(crate) log: Vec<String>,
    pub(crate) annotations: Vec<Annotation>,
    /// The complaints of the runner.
    pub(crate) complaints: Vec<String>,
    /// Lines that the log shows as if they were of the runner, as `##[error]…`.
    pub(crate) pretended: Vec<String>,
    /// The token that ends the pause.
    paused_until: Option<String>,
    groups: usize,
}

impl Console {
    pub(crate) fn new(debug: bool) -> Self {
        Self {
            debug,
            ..Self::default()
        }
    }

    pub(crate) fn read(&mut self, printed: &str) {
        for line in commands::lines(printed) {
            self.line(line);
        }
    }

    /// The step is over.
    pub(crate) fn end(&mut self) {
        if self.groups != 0 {
            self.complaints.push("a group is open".to_owned());
        }
        if self.paused_until.is_some() {
            self.complaints.push("commands are stopped".to_owned());
        }
    }

    fn line(&mut self, line: &str) {
        let token = self.paused_until.clone();
        let resumes = |name: &str| {
            token
                .as_deref()
                .is_some_and(|token| token.eq_ignore_ascii_case(name))
        };
        let command = parse(line, |name| is_known(name) || resumes(name));
        match command {
            Some(command) if resumes(&command.name) => {
                self.show(line);
                self.paused_until = None;
            }
            Some(command) if self.paused_until.is_none() => self.carry_out(line, command),
            _ => {
                if line.trim_start().starts_with("##[") {
                    self.pretended.push(line.to_owned());
                }
                self.show(line);
            }
        }
    }

    fn show(&mut self, line: &str) {
        let masked = self.masker.masked(line);
        self.log.push(masked);
    }

    fn carry_out(&mut self, line: &str, command: Command) {
        self.commands.push(command.clone());
        match command.name.as_str() {
            "stop-commands" => self.stop(line, command.data),
            "add-mask" => self.mask(&command.data),
            "debug" if self.debug => {
                for line in command.data.replace("\r\n", "\n").split('\n') {
                    self.show(&format!("##[debug]{line}"));
                }
            }
            "debug" => {}
            "error" | "warning" | "notice" => {
                let title = command.property("title").map(str::to_owned);
                self.annotate(&command.name, title, &command.data);
            }
            "group" => {
                self.groups += 1;
                if self.groups > 1 {
                    self.complaints.push("a group in a group".to_owned());
                }
                self.show(&format!("##[group]{}", command.data));
            }
            "endgroup" => {
                match self.groups.checked_sub(1) {
                    Some(less) => self.groups = less,
                    None => self.complaints.push("no group is open".to_owned()),
                }
                self.show("##[endgroup]");
            }
            // Those that fail the step, are deprecated, or change what later steps or lines do.
            other => self.complaints.push(format!("`{other}` was carried out")),
        }
    }

    fn stop(&mut self, line: &str, token: String) {
        if token.is_empty() || is_known(&token) || token.eq_ignore_ascii_case("pause-logging") {
            self.complaints.push(format!("`{token}` stops no commands"));
            return;
        }
        if token.encode_utf16().count() > 6 {
            self.masker.hide(&token);
        }
        self.show(line);
        self.paused_until = Some(token);
    }

    fn mask(&mut self, secret: &str) {
        if secret.trim().is_empty() {
            let warning = "Can't add secret mask for empty string in ##[add-mask] command.";
            self.annotate("warning", None, warning);
            self.complaints.push(warning.to_owned());
            return;
        }
        self.masker.hide(secret);
        for line in secret.split(['\r', '\n']) {
            self.masker.hide(line.trim());
        }
    }

    fn annotate(&mut self, kind: &str, title: Option<String>, message: &str) {
        let masked = self.masker.masked(message);
        let units: Vec<u16> = masked.encode_utf16().take(LONGEST_ANNOTATION).collect();
        let message = String::from_utf16_lossy(&units);
        let long = |title: &String| title.encode_utf16().count() > LONGEST_TITLE;
        if title.as_ref().is_some_and(long) {
            self.complaints
                .push(format!("the {kind}'s title is too long"));
        }
        if message.len() < masked.len() {
            self.complaints.push(format!("the {kind} is cut"));
        }
        if self
            .annotations
            .iter()
            .filter(|one| one.kind == kind)
            .count()
            < MOST_ANNOTATIONS
        {
            self.annotations.push(Annotation {
                kind: kind.to_owned(),
                title,
                message: message.clone(),
            });
        }
        if !message.is_empty() {
            self.show(&format!("##[{kind}]{message}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console_of(printed: &str) -> Console {
        let mut console = Console::default();
        console.read(printed);
        console.end();
        console
    }

    fn names(console: &Console) -> Vec<&str> {
        console
            .commands
            .iter()
            .map(|command| command.name.as_str())
            .collect()
    }

    #[test]
    fn what_is_printed_while_commands_are_stopped_is_text() {
        let console = console_of("::stop-commands::abc\n::error::x\n::ABC::\n::notice::y\n");
        assert_eq!(names(&console), ["stop-commands", "notice"]);
        let log = [
            "::stop-commands::abc",
            "::error::x",
            "::ABC::",
            "##[notice]y",
        ];
        assert_eq!(console.log, log);
        assert!(console.complaints.is_empty());
        for token in ["", "Error", "pause-logging"] {
            let console = console_of(&format!("::stop-commands::{token}\n::error::x\n"));
            assert_eq!(names(&console), ["stop-commands", "error"]);
            assert_eq!(console.complaints.len(), 1);
        }
        assert_eq!(
            console_of("::stop-commands::abc\n::abcd::\n").complaints,
            ["commands are stopped"]
        );
    }

    #[test]
    fn a_long_token_is_a_secret_and_a_short_one_is_none() {
        let console = console_of("::stop-commands::abcdefg\nabcdefg\n");
        assert_eq!(console.log, ["::stop-commands::***", "***"]);
        assert_eq!(
            console_of("::stop-commands::abcdef\nabcdef\n").log[1],
            "abcdef"
        );
    }

    #[test]
    fn a_secret_is_masked_from_its_registration_on() {
        let console =
            console_of("one\n::add-mask:: one%0D%0Atwo%250A\none\ntwo%0A two\n::error::two%250A\n");
        assert_eq!(console.log, ["one", "***", "*** two", "##[error]***"]);
        assert_eq!(console.masker.values, [" one\r\ntwo%0A", "one", "two%0A"]);
        assert_eq!(console.annotations[0].message, "***");
        for nothing in ["", " ", "%0A"] {
            let console = console_of(&format!("::add-mask::{nothing}\n"));
            assert_eq!(console.complaints.len(), 1);
            assert_eq!(console.annotations[0].kind, "warning");
        }
    }

    #[test]
    fn debug_is_shown_where_it_was_asked_for() {
        let mut console = Console::new(true);
        console.read("::debug::a%0Ab\n");
        assert_eq!(console.log, ["##[debug]a", "##[debug]b"]);
        assert!(console_of("::debug::a\n").log.is_empty());
    }

    #[test]
    fn too_many_and_too_long_annotations_are_not_shown() {
        let console = console_of(&"::error title=t::x\n".repeat(11));
        assert_eq!(console.annotations.len(), 10);
        assert_eq!(console.annotations[0].title.as_deref(), Some("t"));
        let console = console_of(&format!("::notice::{}\n", "é".repeat(4097)));
        assert_eq!(console.annotations[0].message, "é".repeat(4096));
        assert_eq!(console.complaints, ["the notice is cut"]);
        let console = console_of(&format!("::notice title={}::x\n", "é".repeat(256)));
        assert_eq!(console.complaints, ["the notice's title is too long"]);
    }

    #[test]
    fn groups_do_not_nest() {
        let console = console_of("::group::a\nx\n::endgroup::\n");
        assert_eq!(console.log, ["##[group]a", "x", "##[endgroup]"]);
        assert!(console.complaints.is_empty());
        assert_eq!(
            console_of("::group::a\n::group::b\n::endgroup::\n")
                .complaints
                .len(),
            2
        );
        assert_eq!(
            console_of("::endgroup::\n").complaints,
            ["no group is open"]
        );
    }

    #[test]
    fn what_looks_like_the_runner_s_own_line_is_noticed() {
        let console = console_of("::stop-commands::abc\n ##[error]x\nS3: ##[error]y\n::abc::\n");
        assert_eq!(console.pretended, [" ##[error]x"]);
    }
}
