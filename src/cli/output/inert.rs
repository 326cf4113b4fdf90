//! Text on stdout and stderr, in which no CI system finds a command: the program may run in a step of any.

use std::io::{self, Write};

use crate::text::inert;

/// Writes whole lines, each [`inert`]. What is left of a line is written by `flush`, and at the end.
pub(crate) struct InertLines<'a> {
    to: &'a mut dyn Write,
    line: Vec<u8>,
}

impl<'a> InertLines<'a> {
    pub(crate) fn new(to: &'a mut dyn Write) -> Self {
        Self {
            to,
            line: Vec::new(),
        }
    }

    fn write_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let text = inert(&String::from_utf8_lossy(&line));
        self.to.write_all(text.as_bytes())
    }
}

impl Write for InertLines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.write_line()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.line.is_empty() {
            self.write_line()?;
        }
        self.to.flush()
    }
}

impl Drop for InertLines<'_> {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            // There is no way left to report it.
            let _ = self.write_line();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_inert_in_however_many_parts_it_is_written() {
        let mut out = Vec::new();
        let mut lines = InertLines::new(&mut out);
        for part in ["a #", "#vso[x]\n ", ":", ":error::\n", "#", "#[end]"] {
            lines.write_all(part.as_bytes()).unwrap();
        }
        drop(lines);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "a # #vso[x]\n : :error::\n# #[end]");
    }
}
