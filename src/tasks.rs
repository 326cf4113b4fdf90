//! Concurrent work: many items at once, and blocking work off the async thread.

use futures_util::{StreamExt as _, stream};

/// Runs `work` for every item, at most `concurrency` at a time, and calls `done` with each result as it
/// comes. The results are in the order of the items.
pub async fn run_all<I, T, F>(
    items: &[I],
    concurrency: usize,
    work: impl Fn(usize, &I) -> F,
    mut done: impl FnMut(usize, &T),
) -> Vec<T>
where
    F: Future<Output = T>,
{
    let numbered = items.iter().enumerate().map(|(number, item)| {
        let result = work(number, item);
        async move { (number, result.await) }
    });
    let mut running = stream::iter(numbered).buffer_unordered(concurrency.max(1));
    let mut results = Vec::with_capacity(items.len());
    while let Some((number, result)) = running.next().await {
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
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // Nothing aborts these tasks, so this is a panic.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
