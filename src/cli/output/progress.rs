//! Progress of a run: on a terminal a bar for several images, and a spinner for one. Elsewhere the results themselves are
//! the plain lines, printed in the order asked as soon as they are ready.

use std::collections::BTreeMap;
use std::io;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::output::waiting::Waiting;
use crate::image::Image;
use crate::tasks;

/// Works on all images at once, and prints each result as text in the order asked: as soon as it is
/// ready, or after bar and spinner are gone. A failed print ends the printing, not the work.
pub(crate) async fn work_on<T, F>(
    images: &[Image],
    concurrency: usize,
    text: bool,
    waiting: &Waiting,
    work: impl Fn(Image) -> F,
    mut print: impl FnMut(&Image, &T) -> io::Result<()>,
) -> (Vec<T>, io::Result<()>)
where
    T: Clone + Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let at_terminal = waiting.is_terminal();
    let bar = at_terminal.then(|| bar(images.len())).flatten();
    let mut order = InOrder::new();
    let mut printed = Ok(());
    let done = |number: usize, result: &T| {
        if let Some(bar) = &bar {
            bar.inc(1);
        } else if text && !at_terminal {
            for (image, result) in order.push(number, (images.get(number), result.clone())) {
                if let (Some(image), Ok(())) = (image, &printed) {
                    printed = print(image, &result);
                }
            }
        }
    };
    let work = |_, image: &Image| work(image.clone());
    let running = tasks::run_all(images, concurrency, work, done);
    let results = waiting.during(bar.as_ref(), running).await;
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    if at_terminal {
        let mut all = images.iter().zip(&results);
        printed = all.try_for_each(|(image, result)| print(image, result));
    }
    (results, printed)
}

/// A bar of `length` steps, if there are several.
fn bar(length: usize) -> Option<ProgressBar> {
    if length < 2 {
        return None;
    }
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    // The template is a constant; the default is drawn if it were ever wrong.
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {pos}/{len} images, {eta} left\n{wide_msg}")
    {
        bar.set_style(style);
    }
    Some(bar)
}

/// Hands on what comes in any order in the order of its numbers.
struct InOrder<T> {
    next: usize,
    waiting: BTreeMap<usize, T>,
}

impl<T> InOrder<T> {
    fn new() -> Self {
        Self {
            next: 0,
            waiting: BTreeMap::new(),
        }
    }

    /// Takes number `number`, and gives all that can go on now.
    fn push(&mut self, number: usize, item: T) -> Vec<T> {
        self.waiting.insert(number, item);
        let mut ready = Vec::new();
        while let Some(item) = self.waiting.remove(&self.next) {
            ready.push(item);
            self.next = self.next.saturating_add(1);
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_go_on_in_their_order() {
        let mut order = InOrder::new();
        assert!(order.push(2, 'c').is_empty());
        assert_eq!(order.push(0, 'a'), ['a']);
        assert_eq!(order.push(1, 'b'), ['b', 'c']);
    }
}
