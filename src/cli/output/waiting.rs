//! The notes about a run that waits: a spinner on a terminal, and in a log a line now and then.

use std::convert::Infallible;
use std::future::pending;
use std::io::{self, IsTerminal as _, Write as _};
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use indicatif::{ProgressBar, ProgressDrawTarget};
use tokio::time::sleep;

use crate::cli::args::Output;
use crate::net::calls;
use crate::text::printable;

/// Where a run shows what it waits for.
#[derive(Clone, Copy)]
pub(crate) enum Waiting {
    /// Nowhere.
    Hidden,
    /// In lines of a log: on stdout, or else on stderr.
    Log { to_stdout: bool },
    /// On the terminal of stderr.
    Terminal,
}

/// The times at which a log names the call that takes long.
#[derive(Clone, Copy)]
struct Times {
    /// The pause between two looks at the calls.
    look: Duration,
    /// The age of a call that is named.
    first: Duration,
    /// The pause between two lines.
    next: Duration,
}

const TIMES: Times = Times {
    look: Duration::from_secs(1),
    first: Duration::from_secs(30),
    next: Duration::from_secs(60),
};

/// The pause between two pictures of the spinner.
const TICK: Duration = Duration::from_millis(100);

/// The age from which a call is named on a terminal: quicker ones would only flicker.
const NOTICEABLE: Duration = Duration::from_millis(500);

impl Waiting {
    /// On stderr, unless the output is JSON or quiet.
    pub(crate) fn on_stderr(output: Output, quiet: bool) -> Self {
        match Self::in_log(output, quiet, false) {
            Self::Log { .. } if io::stderr().is_terminal() => Self::Terminal,
            waiting => waiting,
        }
    }

    /// In the log of a job, unless the output is JSON or quiet. There the results are printed at the end, and these lines
    /// at once.
    pub(crate) fn in_log(output: Output, quiet: bool, to_stdout: bool) -> Self {
        if output == Output::Json || quiet {
            Self::Hidden
        } else {
            Self::Log { to_stdout }
        }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal)
    }

    /// Does `work`, and meanwhile names the calls that take long: on a terminal in the bar, or else by a spinner that is
    /// gone afterwards.
    pub(crate) async fn during<T>(
        &self,
        bar: Option<&ProgressBar>,
        work: impl Future<Output = T>,
    ) -> T {
        let shown = async {
            match self {
                Self::Hidden => pending().await,
                Self::Log { to_stdout } => {
                    write_lines(|line| write_line(line, *to_stdout), TIMES).await
                }
                Self::Terminal => animate(bar).await,
            }
        };
        match select(pin!(work), pin!(shown)).await {
            Either::Left((done, _)) => done,
            Either::Right((never, _)) => match never {},
        }
    }
}

/// A line in which no CI system finds a command: it quotes servers, and the names of files.
fn log_line(text: &str) -> String {
    format!("{}\n", printable(text))
}

fn write_line(text: &str, to_stdout: bool) {
    let line = log_line(text);
    // A line that cannot be written changes nothing.
    let _ = if to_stdout {
        io::stdout().write_all(line.as_bytes())
    } else {
        io::stderr().write_all(line.as_bytes())
    };
}

async fn write_lines(write: impl Fn(&str), times: Times) -> Infallible {
    let mut last: Option<Instant> = None;
    loop {
        sleep(times.look).await;
        if let Some(call) = calls::longest()
            && times.is_due(call.age(), last.map(|last| last.elapsed()))
        {
            write(&format!("still waiting for {}", call.note()));
            last = Some(Instant::now());
        }
    }
}

impl Times {
    /// Whether a call of this age is to be named, so long after the last line.
    fn is_due(self, age: Duration, since: Option<Duration>) -> bool {
        age >= self.first && since.is_none_or(|since| since >= self.next)
    }
}

async fn animate(bar: Option<&ProgressBar>) -> Infallible {
    // One that is dropped is cleared.
    let mut spinner: Option<ProgressBar> = None;
    loop {
        sleep(TICK).await;
        if calls::asks_for_a_password() {
            continue;
        }
        let call = calls::longest().filter(|call| call.age() >= NOTICEABLE);
        let message = call.map(|call| printable(&call.note()));
        match (bar, message) {
            (Some(bar), message) => bar.set_message(message.unwrap_or_default()),
            (None, None) => spinner = None,
            (None, Some(message)) => {
                let spinner = spinner.get_or_insert_with(new_spinner);
                spinner.set_message(message);
                spinner.tick();
            }
        }
    }
}

fn new_spinner() -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    spinner.set_draw_target(ProgressDrawTarget::stderr());
    spinner
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::runtime::Builder;
    use tokio::sync::Notify;

    use super::*;
    use crate::net::calls::Awaited;

    #[test]
    fn a_line_of_the_log_is_inert() {
        for (text, line) in [
            ("a\n::error::b", "a\\n::error::b\n"),
            ("::error::b", ": :error::b\n"),
            ("a ##vso[x]", "a # #vso[x]\n"),
        ] {
            assert_eq!(log_line(text), line);
        }
    }

    #[test]
    fn a_line_comes_after_30_seconds_and_then_each_minute() {
        let mut last = None;
        let mut times = Vec::new();
        for second in 1..200 {
            let now = Duration::from_secs(second);
            if TIMES.is_due(now, last.map(|last| now.saturating_sub(last))) {
                times.push(second);
                last = Some(now);
            }
        }
        assert_eq!(times, [30, 90, 150]);
    }

    #[test]
    fn a_line_is_written_while_the_work_goes_on() {
        let at_once = Times {
            look: Duration::ZERO,
            first: Duration::ZERO,
            next: Duration::ZERO,
        };
        let (written, lines) = (Notify::new(), Mutex::new(Vec::new()));
        let write = |line: &str| {
            lines.lock().unwrap().push(line.to_owned());
            if line.contains("the test at http://127.0.0.1:1") {
                written.notify_one();
            }
        };
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let call = calls::begin(Awaited::service("the test", "Sign"));
            let _call = call.at("http://127.0.0.1:1".to_owned());
            // It ends once the line is there.
            let work = pin!(written.notified());
            select(work, pin!(write_lines(write, at_once))).await;
        });
        let lines = lines.into_inner().unwrap();
        assert_eq!(
            lines.last().map(String::as_str),
            Some("still waiting for the test at http://127.0.0.1:1 (0 s): no answer to Sign yet")
        );
    }
}
