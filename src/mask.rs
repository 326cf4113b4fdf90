//! Registers secrets with the CI system's log masking as soon as they are known.

use std::fmt;
use std::sync::Arc;

/// The masking callback; none by default.
#[derive(Clone, Default)]
pub struct Mask(Option<Arc<Callback>>);

type Callback = dyn Fn(&str) + Send + Sync;

impl Mask {
    /// Calls `callback` with each line of a secret.
    pub fn new(callback: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(callback)))
    }

    /// Masks a secret line by line, as logs are searched. Empty lines are skipped: masking them would hide
    /// nothing, or everything.
    pub fn hide(&self, secret: &str) {
        let Some(callback) = &self.0 else {
            return;
        };
        let lines = secret.split(['\n', '\r']).map(str::trim);
        for line in lines.filter(|line| !line.is_empty()) {
            callback(line);
        }
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_secret_is_masked_line_by_line_without_empty_lines() {
        let masked = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&masked);
        let mask = Mask::new(move |line| sink.lock().unwrap().push(line.to_owned()));
        for secret in ["", "\n \r\n", "one\r\n\n two\n"] {
            mask.hide(secret);
        }
        assert_eq!(*masked.lock().unwrap(), ["one", "two"]);
    }
}
