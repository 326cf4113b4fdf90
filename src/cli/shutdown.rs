//! Signals that end a run early. The sessions of its keys are closed in any case.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{Either, pending, select};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

use crate::diagnostic::Diagnostic;
use crate::key::keyring::Keyring;

/// The images of a run that are done.
#[derive(Clone, Default)]
pub(crate) struct DoneImages(Arc<AtomicUsize>);

impl DoneImages {
    /// Counts one more.
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds to the error of a run that was stopped how many of `all` images are `done`, such as signed.
    pub(crate) fn explain(&self, stopped: Diagnostic, all: usize, done: &str) -> Diagnostic {
        if all < 2 {
            return stopped;
        }
        let count = self.0.load(Ordering::Relaxed);
        Diagnostic {
            help: format!("{count} of {all} images were {done}; run it again for the rest"),
            ..stopped
        }
    }
}

/// SIGINT and SIGTERM, from the beginning of a run to its end: one that arrives between two parts of the work counts
/// too. A run listens even if it has nothing to close. In a container it is process 1, which the kernel protects from
/// signals that it does not handle.
pub(crate) struct ShutdownSignals(Mutex<Option<(Signal, Signal)>>);

impl ShutdownSignals {
    pub(crate) fn listen() -> Self {
        let signals = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        );
        Self(Mutex::new(match signals {
            (Ok(interrupt), Ok(terminate)) => Some((interrupt, terminate)),
            _ => None,
        }))
    }

    async fn received(&self) {
        let Some((interrupt, terminate)) = &mut *self.0.lock().await else {
            return pending().await;
        };
        select(pin!(interrupt.recv()), pin!(terminate.recv())).await;
    }

    /// Works until a signal arrives, as when a CI system cancels a job.
    pub(crate) async fn unless_received<T>(
        &self,
        work: impl Future<Output = Result<T, Diagnostic>>,
    ) -> Result<T, Diagnostic> {
        match select(pin!(work), pin!(self.received())).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => Err(Diagnostic::plain(
                "interrupted",
                "a signal stopped the run",
                "run it again; images that are already signed stay signed",
            )),
        }
    }

    /// The same. After a signal or an error it closes the sessions of the keys.
    pub(crate) async fn unless_stopped<T>(
        &self,
        keys: &Keyring,
        work: impl Future<Output = Result<T, Diagnostic>>,
    ) -> Result<T, Diagnostic> {
        match self.unless_received(work).await {
            Ok(done) => Ok(done),
            Err(error) => Err(error.with(&keys.close().await)),
        }
    }

    /// Does the work of a run, and closes the sessions of the keys. Returns warnings for the user beside the result.
    pub(crate) async fn during<T>(
        &self,
        keys: &Keyring,
        work: impl Future<Output = T>,
    ) -> Result<(T, Vec<String>), Diagnostic> {
        let done = self.unless_stopped(keys, async { Ok(work.await) }).await?;
        Ok((done, keys.close().await))
    }
}
