//! The calls in progress: what a run waits for, so that a note or a time-out can name it.
//!
//! There is one list, since a process has one run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::futures::TaskLocalFuture;

mod wording;

/// A thing that a run can wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The answer of a service to an action; without an action, its answer to anything.
    Service {
        /// The name of the service.
        name: Cow<'static, str>,
        /// The action.
        action: Cow<'static, str>,
    },
    /// A file.
    File {
        /// Its name in messages.
        name: String,
        /// The participle of what is being done to it, such as `read`.
        done: &'static str,
    },
    /// The lock of a directory, by the name of the file that is to be written there.
    Lock(String),
    /// The password of a key, which a person types.
    Password(String),
    /// A program.
    Program(&'static str),
}

impl Awaited {
    /// The answer of the service `name` to `action`.
    pub fn service(name: &'static str, action: impl Into<Cow<'static, str>>) -> Self {
        Self::Service {
            name: name.into(),
            action: action.into(),
        }
    }

    /// The end of reading a file.
    pub fn reading(path: &str) -> Self {
        Self::File {
            name: format!("`{path}`"),
            done: "read",
        }
    }

    /// The end of writing a file.
    pub fn writing(path: &str) -> Self {
        Self::File {
            name: format!("`{path}`"),
            done: "written",
        }
    }
}

/// The end of a try that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The answer in short: its code and status.
    Was(String),
    /// The reason why there was no answer.
    None(String),
    /// There was no answer in time.
    Silence,
}

impl Answer {
    /// No answer, for this reason.
    pub(crate) fn none(reason: String) -> Self {
        // The words of the two HTTP clients for a limit of theirs.
        match reason.as_str() {
            "timed out" | "no answer in time" => Self::Silence,
            _ => Self::None(reason),
        }
    }
}

/// The progress of the current try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Asked,
    /// The answer has begun.
    Answering,
    /// The try has failed, and the next one has not begun.
    Pausing,
}

/// A call in progress.
#[derive(Clone, Debug)]
pub struct Call {
    awaited: Awaited,
    /// The scheme, host and port that are asked.
    server: Option<String>,
    /// The URL of the last request, without the query.
    url: Option<String>,
    began: Instant,
    try_began: Instant,
    tries: u32,
    state: State,
    last: Option<(Answer, u32)>,
    throttled: bool,
    parent: Option<u64>,
    /// The calls that this one waits for.
    children: usize,
}

struct Calls {
    next: u64,
    in_progress: BTreeMap<u64, Call>,
}

static CALLS: Mutex<Calls> = Mutex::new(Calls {
    next: 0,
    in_progress: BTreeMap::new(),
});

tokio::task_local! {
    /// The call that a task works on.
    static CURRENT: u64;
}

fn calls() -> MutexGuard<'static, Calls> {
    // Nothing panics while it holds the lock.
    CALLS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn current() -> Option<u64> {
    CURRENT.try_with(|id| *id).ok()
}

/// Begins a call, which lasts as long as the result. Within a call of the same kind it is part of that one.
pub fn begin(awaited: Awaited) -> InProgress {
    let parent = current();
    let mut calls = calls();
    if let Some(id) = parent
        && let Some(call) = calls.in_progress.get_mut(&id)
    {
        if call.awaited == awaited {
            return InProgress { id, is_part: true };
        }
        call.children = call.children.saturating_add(1);
    }
    let (id, now) = (calls.next, Instant::now());
    calls.next = id.saturating_add(1);
    let call = Call {
        awaited,
        server: None,
        url: None,
        began: now,
        try_began: now,
        tries: 0,
        state: State::Asked,
        last: None,
        throttled: false,
        parent,
        children: 0,
    };
    calls.in_progress.insert(id, call);
    InProgress { id, is_part: false }
}

/// A call that has begun, and ends where this is dropped.
#[must_use]
pub struct InProgress {
    id: u64,
    is_part: bool,
}

impl InProgress {
    /// The same, of the server at this address.
    pub fn at(self, server: String) -> Self {
        self.change(|call| call.server = Some(server));
        self
    }

    /// Runs `work` as part of the call.
    pub fn scope<F: Future>(&self, work: F) -> TaskLocalFuture<u64, F> {
        CURRENT.scope(self.id, work)
    }

    /// Runs the next try.
    pub(crate) fn attempt<F: Future>(&self, once: F) -> TaskLocalFuture<u64, F> {
        self.change(|call| {
            call.tries = call.tries.saturating_add(1);
            call.try_began = Instant::now();
            call.state = State::Asked;
        });
        self.scope(once)
    }

    /// Ends a try that succeeded. What follows may still be waited for, such as the body of an answer.
    pub(crate) fn answered(&self) {
        if self.is_part {
            self.change(|call| {
                call.try_began = Instant::now();
                call.state = State::Answering;
            });
        }
    }

    /// Ends a try that failed.
    pub(crate) fn failed(&self, answer: Answer, throttled: bool) {
        self.change(|call| {
            let times = match &call.last {
                Some((last, times)) if *last == answer => times.saturating_add(1),
                _ => 1,
            };
            call.last = Some((answer, times));
            call.throttled = throttled;
            call.state = State::Pausing;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Call)) {
        if let Some(call) = calls().in_progress.get_mut(&self.id) {
            change(call);
        }
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        if self.is_part {
            return;
        }
        let mut calls = calls();
        let parent = calls.in_progress.remove(&self.id);
        let parent = parent.and_then(|call| call.parent);
        if let Some(parent) = parent.and_then(|id| calls.in_progress.get_mut(&id)) {
            parent.children = parent.children.saturating_sub(1);
        }
    }
}

/// A request, and the number of the try that it belongs to.
pub(crate) struct Request {
    /// The call, if the request is no part of another one.
    _own: Option<InProgress>,
    /// The number of the try, if it belongs to a call with tries.
    pub(crate) attempt: Option<u32>,
}

/// Notes a request. It belongs to the call of this task, unless that is to another service, as where credentials are
/// fetched for it.
pub(crate) fn request(
    service: Option<&'static str>,
    method: &str,
    url: &str,
    server: Option<String>,
) -> Request {
    let url = Some(url.to_owned());
    if let Some(id) = current()
        && let Some(call) = calls().in_progress.get_mut(&id)
        && call.may_ask(service)
    {
        call.server = server.or_else(|| call.server.take());
        call.url = url;
        return Request {
            _own: None,
            attempt: (call.tries > 0).then_some(call.tries),
        };
    }
    let own = begin(Awaited::Service {
        name: service.unwrap_or("the server").into(),
        action: method.to_owned().into(),
    });
    own.change(|call| {
        call.server = server;
        call.url = url;
    });
    Request {
        _own: Some(own),
        attempt: None,
    }
}

/// The scheme, host and port of a URL.
pub(crate) fn server_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    Some(format!("{scheme}://{host}"))
}

/// The call that has been in progress for the longest time, if there is one. One that waits for another call does not
/// count, and one that has not sent anything yet only where no other has.
pub fn longest() -> Option<Call> {
    let calls = calls();
    let leaves = calls.in_progress.values().filter(|call| call.children == 0);
    // They are in the order in which they began.
    leaves.min_by_key(|call| !call.is_underway()).cloned()
}

/// Whether a person is typing a password.
pub fn asks_for_a_password() -> bool {
    let calls = calls();
    let mut all = calls.in_progress.values();
    all.any(|call| matches!(call.awaited, Awaited::Password(_)))
}

impl Call {
    fn may_ask(&self, service: Option<&str>) -> bool {
        match &self.awaited {
            Awaited::Service { name, .. } => service.is_none_or(|service| service == name),
            _ => false,
        }
    }

    /// Whether more than this program is at work on it.
    fn is_underway(&self) -> bool {
        match self.awaited {
            Awaited::Service { .. } => self.url.is_some(),
            _ => true,
        }
    }

    /// How long it has been in progress.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Whether its last answer was that the service has no capacity for it.
    pub fn is_throttled(&self) -> bool {
        self.throttled
    }

    /// The awaited thing.
    pub fn awaited(&self) -> &Awaited {
        &self.awaited
    }

    /// The URL of the last request, without the query, if it shows more than the action does.
    pub fn url(&self) -> Option<&str> {
        let Awaited::Service { name, action } = &self.awaited else {
            return None;
        };
        // Other services may have a secret in the path.
        if !["S3", "KMS", "STS", "Vault", "OpenBao"].contains(&name.as_ref()) {
            return None;
        }
        let url = self.url.as_deref()?;
        let path = action.rsplit(' ').next().unwrap_or_default();
        (!url.ends_with('/') && !url.ends_with(path)).then_some(url)
    }

    /// How often it was tried.
    pub fn tries(&self) -> u32 {
        self.tries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: u64) -> Option<Call> {
        calls().in_progress.get(&id).cloned()
    }

    #[tokio::test]
    async fn a_call_ends_where_its_work_is_dropped() {
        let call = begin(Awaited::service("S3", "GetObject"));
        let id = call.id;
        let work = async move {
            let _call = call;
            std::future::pending::<()>().await;
        };
        let now = tokio::time::Instant::now();
        assert!(tokio::time::timeout_at(now, work).await.is_err());
        assert!(of(id).is_none());
    }

    #[tokio::test]
    async fn tries_within_a_call_of_the_same_kind_are_its_own() {
        let outer = begin(Awaited::service("S3", "GetObject"));
        for number in 1..=3 {
            outer
                .scope(async {
                    let inner = begin(Awaited::service("S3", "GetObject"));
                    let asked = async {
                        request(Some("S3"), "GET", "http://127.0.0.1:9/b/k", None).attempt
                    };
                    assert_eq!(inner.attempt(asked).await, Some(number));
                    inner.failed(Answer::Was("SlowDown (503)".to_owned()), true);
                })
                .await;
        }
        let call = of(outer.id).unwrap();
        assert_eq!(
            (call.tries(), call.last),
            (3, Some((Answer::Was("SlowDown (503)".to_owned()), 3)))
        );
        assert!(call.throttled && call.children == 0);
    }

    #[tokio::test]
    async fn a_request_for_credentials_is_a_call_of_its_own() {
        let outer = begin(Awaited::service("S3", "GetObject"));
        let (id, server) = (outer.id, Some("http://169.254.169.254".to_owned()));
        let asked = async {
            let name = "the instance metadata service";
            let url = "http://169.254.169.254/latest/api/token";
            let noted = request(Some(name), "PUT", url, server);
            (noted.attempt, of(id).unwrap().children, noted)
        };
        let (attempt, children, noted) = outer.attempt(asked).await;
        assert_eq!((attempt, children), (None, 1));
        drop(noted);
        let call = of(id).unwrap();
        assert_eq!((call.children, call.server), (0, None));
    }

    #[test]
    fn a_server_is_named_without_user_path_and_query() {
        for url in [
            "https://s3.example:9000/b/k?X-Amz-Signature=1",
            "https://user:secret@s3.example:9000",
            "https://s3.example:9000?a=/@b",
        ] {
            assert_eq!(server_of(url).as_deref(), Some("https://s3.example:9000"));
        }
    }
}
