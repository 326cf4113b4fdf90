//! Work that would hold up the one thread on which everything waits: files, scrypt, curves.

/// Runs `work` on a thread of its own.
pub(crate) async fn blocking<T, F>(work: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // Nothing aborts these tasks, so the only other end is a panic.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
