//! Concurrent work: many items at once, and blocking work off the async thread.

use tokio::task::{JoinError, JoinSet};

/// Runs `work` for every item, each in a task of its own, at most `concurrency` at a time, and calls `done` with each
/// result as it comes. The results are in the order of the items. Where this is dropped, the tasks end.
pub async fn run_all<I, T, F>(
    items: &[I],
    concurrency: usize,
    work: impl Fn(usize, &I) -> F,
    mut done: impl FnMut(usize, &T),
) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let mut waiting = items.iter().enumerate();
    let mut running = JoinSet::new();
    let mut results = Vec::with_capacity(items.len());
    loop {
        let free = concurrency.max(1).saturating_sub(running.len());
        for (number, item) in waiting.by_ref().take(free) {
            let result = work(number, item);
            running.spawn(async move { (number, result.await) });
        }
        let Some(ended) = running.join_next().await else {
            break;
        };
        let (number, result) = ended.unwrap_or_else(panicked);
        done(number, &result);
        results.push((number, result));
    }
    results.sort_unstable_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Runs blocking `work` on another thread.
pub(crate) async fn run_blocking<T, F>(work: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(panicked)
}

/// No caller waits for an aborted task, so the only end without a result is a panic.
fn panicked<T>(error: JoinError) -> T {
    std::panic::resume_unwind(error.into_panic())
}
