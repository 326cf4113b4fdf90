//! Calls in progress, in words.

use std::time::Duration;

use crate::net::calls::{Answer, Awaited, Call, State};

impl Call {
    /// How long the current try has been silent, and all before it where none was answered; if that is most of the time.
    /// Then the silence matters, and not the answers before.
    fn silence(&self) -> Option<Duration> {
        let (age, last) = (self.age(), self.try_began.elapsed());
        match &self.last {
            None => Some(last),
            Some((Answer::Silence, tries)) if tries.saturating_add(1) >= self.tries => Some(age),
            Some(_) if self.state == State::Pausing || last < age.saturating_sub(last) => None,
            Some(_) => Some(last),
        }
    }

    /// Whether its silence matters, and not an answer.
    pub fn is_silent(&self) -> bool {
        self.silence().is_some()
    }

    /// The last answer, or the reason why there was none.
    pub fn last_answer(&self) -> Option<&str> {
        match self.last.as_ref()? {
            (Answer::Was(text) | Answer::None(text), _) => Some(text),
            (Answer::Silence, _) => None,
        }
    }

    /// The name of what is waited for, such as `S3 at https://…`.
    pub fn subject(&self) -> String {
        match (&self.awaited, &self.server) {
            (Awaited::Service { name, .. }, Some(server)) => format!("{name} at {server}"),
            (Awaited::Service { name, .. }, None) => name.to_string(),
            (Awaited::File { name, .. }, _) => name.clone(),
            (Awaited::Lock(path), _) => format!("the lock to write `{path}`"),
            (Awaited::Password(key), _) => format!("the password of `{key}`"),
            (Awaited::Program(command), _) => format!("`{command}`"),
        }
    }

    /// The clause on what became of it until now, after the subject: `did not answer GetObject for 298 s`.
    pub fn outcome(&self) -> String {
        let (action, to) = match &self.awaited {
            Awaited::Service { action, .. } if action.is_empty() => (String::new(), String::new()),
            Awaited::Service { action, .. } => (format!(" {action}"), format!(" to {action}")),
            Awaited::File { done, .. } => {
                return format!("was not {done}{}", lasting(self.age()));
            }
            Awaited::Lock(_) => return format!("was not free{}", lasting(self.age())),
            Awaited::Password(_) => return format!("was not typed{}", lasting(self.age())),
            Awaited::Program(_) => return format!("did not end{}", lasting(self.age())),
        };
        match (&self.last, self.silence()) {
            (Some((Answer::Was(answer), times)), None) => {
                format!("answered {answer}{to}{}", repeated(*times))
            }
            (Some((Answer::None(reason), times)), None) => {
                format!("did not answer{action}{}: {reason}", repeated(*times))
            }
            (_, silence) => {
                let silence = lasting(silence.unwrap_or_default());
                match self.state {
                    State::Answering => format!("did not finish its answer{to}{silence}"),
                    State::Asked | State::Pausing => format!("did not answer{action}{silence}"),
                }
            }
        }
    }

    /// The awaited thing in one line, for a note: `S3 at https://… (30 s): no answer to GetObject`.
    pub fn note(&self) -> String {
        let (subject, seconds) = (self.subject(), self.age().as_secs());
        let (action, to) = match &self.awaited {
            Awaited::Service { action, .. } if !action.is_empty() => (action, " to "),
            Awaited::Service { action, .. } => (action, ""),
            _ => return format!("{subject} ({seconds} s)"),
        };
        let state = match (&self.last, self.state) {
            (Some((Answer::Was(answer), times)), _) if !self.is_silent() => {
                format!("it answered {answer}{to}{action}{}", repeated(*times))
            }
            (Some((Answer::None(reason), times)), _) if !self.is_silent() => {
                format!("no answer{to}{action}{}: {reason}", repeated(*times))
            }
            (_, State::Answering) => format!("its answer{to}{action} is not complete"),
            (_, State::Asked | State::Pausing) => format!("no answer{to}{action} yet"),
        };
        format!("{subject} ({seconds} s): {state}")
    }
}

fn lasting(time: Duration) -> String {
    match time.as_secs() {
        0 => String::new(),
        seconds => format!(" for {seconds} s"),
    }
}

fn repeated(times: u32) -> String {
    match times {
        1 => String::new(),
        times => format!(", {times} times"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A call of 298 seconds whose current try is as old as this.
    fn call(awaited: Awaited, last_try: u64, last: Option<(Answer, u32)>) -> Call {
        let ago = |seconds| {
            let now = Instant::now();
            now.checked_sub(Duration::from_secs(seconds)).unwrap_or(now)
        };
        Call {
            awaited,
            server: Some("http://127.0.0.1:9000".to_owned()),
            url: None,
            began: ago(298),
            try_began: ago(last_try),
            tries: last.as_ref().map_or(1, |(_, times)| times + 1),
            state: State::Asked,
            last,
            throttled: false,
            parent: None,
            children: 0,
        }
    }

    fn get(last_try: u64, last: Option<(Answer, u32)>) -> Call {
        call(Awaited::service("S3", "GetObject"), last_try, last)
    }

    fn slow_down() -> Answer {
        Answer::Was("SlowDown (503)".to_owned())
    }

    fn sentence(call: &Call) -> String {
        format!("{} {}", call.subject(), call.outcome())
    }

    #[test]
    fn a_call_without_an_answer_was_silent() {
        let silent = "S3 at http://127.0.0.1:9000 did not answer GetObject for 298 s";
        for call in [get(298, None), get(3, Some((Answer::Silence, 14)))] {
            assert_eq!(sentence(&call), silent);
            assert_eq!(
                call.note(),
                "S3 at http://127.0.0.1:9000 (298 s): no answer to GetObject yet"
            );
        }
        let unfinished = Call {
            state: State::Answering,
            ..get(298, None)
        };
        assert_eq!(
            sentence(&unfinished),
            "S3 at http://127.0.0.1:9000 did not finish its answer to GetObject for 298 s"
        );
    }

    #[test]
    fn the_last_answer_counts_unless_the_silence_after_it_was_longer() {
        let call = get(1, Some((slow_down(), 41)));
        assert_eq!(
            sentence(&call),
            "S3 at http://127.0.0.1:9000 answered SlowDown (503) to GetObject, 41 times"
        );
        assert_eq!(
            call.note(),
            "S3 at http://127.0.0.1:9000 (298 s): it answered SlowDown (503) to GetObject, 41 times"
        );
        let reason = Answer::None("connection refused".to_owned());
        assert_eq!(
            sentence(&get(1, Some((reason, 2)))),
            "S3 at http://127.0.0.1:9000 did not answer GetObject, 2 times: connection refused"
        );
        let silent = get(290, Some((slow_down(), 1)));
        assert_eq!(
            sentence(&silent),
            "S3 at http://127.0.0.1:9000 did not answer GetObject for 290 s"
        );
        assert_eq!(silent.last_answer(), Some("SlowDown (503)"));
    }

    #[test]
    fn files_locks_programs_and_persons_are_named() {
        let sentences = [
            Awaited::reading("mount/cosign.key"),
            Awaited::writing("./store/a.json"),
            Awaited::Lock("./store/a.json".to_owned()),
            Awaited::Password("cosign.key".to_owned()),
            Awaited::Program("buildkite-agent oidc request-token"),
            Awaited::service("the source of the AWS credentials", ""),
        ]
        .map(|awaited| sentence(&call(awaited, 298, None)));
        assert_eq!(
            sentences,
            [
                "`mount/cosign.key` was not read for 298 s",
                "`./store/a.json` was not written for 298 s",
                "the lock to write `./store/a.json` was not free for 298 s",
                "the password of `cosign.key` was not typed for 298 s",
                "`buildkite-agent oidc request-token` did not end for 298 s",
                "the source of the AWS credentials at http://127.0.0.1:9000 did not answer for 298 s",
            ]
        );
    }
}
