//! What a CI system is told to hide, should it ever turn up in a log: secrets, as soon as a run learns them.

use std::fmt;
use std::sync::Arc;

/// Who is told. By default nobody.
#[derive(Clone, Default)]
pub struct Mask(Option<Arc<Tell>>);

type Tell = dyn Fn(&str) + Send + Sync;

impl Mask {
    /// Tells `tell` of each line of a secret.
    pub fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    /// Has a secret hidden, line by line, as logs are searched. An empty one would hide nothing, or everything.
    pub fn hide(&self, secret: &str) {
        let Some(tell) = &self.0 else {
            return;
        };
        let lines = secret.split(['\n', '\r']).map(str::trim);
        for line in lines.filter(|line| !line.is_empty()) {
            tell(line);
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
    fn a_secret_is_hidden_line_by_line_and_nothing_is_hidden_of_none() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let mask = Mask::new(move |line| heard.lock().unwrap().push(line.to_owned()));
        for secret in ["", "\n \r\n", "one\r\n\n two\n"] {
            mask.hide(secret);
        }
        assert_eq!(*told.lock().unwrap(), ["one", "two"]);
    }
}
