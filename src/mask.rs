//! Registers secrets with the CI system's log masking as soon as they are known.

use std::fmt;
use std::sync::Arc;

use s3lo_core::crypto::pem;

/// The masking callback; none by default.
#[derive(Clone, Default)]
pub struct Mask(Option<Arc<Callback>>);

type Callback = dyn Fn(&str) + Send + Sync;

impl Mask {
    /// Calls `callback` with each line of a secret.
    pub fn new(callback: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(callback)))
    }

    /// Masks a secret line by line, as logs are searched. Nothing is masked that other output has as well: public keys,
    /// the lines around a key in PEM, and lines of less than four characters. GitHub drops every output of a
    /// job that contains a masked text.
    pub fn hide(&self, secret: &str) {
        let Some(callback) = &self.0 else {
            return;
        };
        if pem::is_public(secret.as_bytes()) {
            return;
        }
        let lines = secret.split(['\n', '\r']).map(str::trim);
        for line in lines.filter(|line| line.chars().count() >= MIN_CHARS && !is_frame(line)) {
            callback(line);
        }
    }
}

/// The fewest characters of a text that is masked: each digest contains most shorter ones.
const MIN_CHARS: usize = 4;

/// Whether a line is the first or the last one of a PEM block.
fn is_frame(line: &str) -> bool {
    let label = line
        .strip_prefix("-----BEGIN ")
        .or_else(|| line.strip_prefix("-----END "));
    let label = label.and_then(|label| label.strip_suffix("-----"));
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ';
    label.is_some_and(|label| label.bytes().all(plain))
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    fn masked(secrets: &[&str]) -> Vec<String> {
        let masked = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&masked);
        let mask = Mask::new(move |line| sink.lock().unwrap().push(line.to_owned()));
        secrets.iter().for_each(|secret| mask.hide(secret));
        masked.lock().unwrap().clone()
    }

    #[test]
    fn a_secret_is_masked_line_by_line_without_empty_lines() {
        let secrets = ["", "\n \r\n", "first\r\n\n second\n"];
        assert_eq!(masked(&secrets), ["first", "second"]);
    }

    #[test]
    fn a_text_of_less_than_four_characters_is_not_masked() {
        let secrets = ["1", "abc", "äöü", "a\nb\n", " xyz \n", "abcd", "äöüß"];
        assert_eq!(masked(&secrets), ["abcd", "äöüß"]);
    }

    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

    #[test]
    fn the_lines_around_a_key_are_not_masked() {
        let body = PRIVATE.lines().nth(1).unwrap();
        assert_eq!(masked(&[PRIVATE]), [body]);
        let indented = PRIVATE.replace('\n', "\r\n  ");
        assert_eq!(masked(&[&indented]), [body]);
        let encrypted = PRIVATE.replace("PRIVATE", "ENCRYPTED SIGSTORE PRIVATE");
        assert_eq!(masked(&[&encrypted]), [body]);
        // On one line they are part of the secret.
        let one_line = PRIVATE.trim_end().replace('\n', r"\n");
        assert_eq!(masked(&[&one_line]), [one_line.as_str()]);
        let dense = PRIVATE.replace('\n', "");
        assert_eq!(masked(&[&dense]), [dense.as_str()]);
    }

    #[test]
    fn a_public_key_is_not_masked_in_any_form() {
        let certificate = "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n";
        let ssh =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE ci";
        for public in [
            PUBLIC,
            &PUBLIC.repeat(2),
            &PUBLIC.replace('\n', r"\n"),
            &PUBLIC.replace('\n', "\n\n"),
            &BASE64_STANDARD.encode(PUBLIC),
            PUBLIC.lines().nth(1).unwrap(),
            certificate,
            ssh,
        ] {
            assert_eq!(masked(&[public]), [""; 0], "{public}");
        }
    }

    #[test]
    fn a_password_is_masked_whatever_it_begins_with() {
        for password in [
            "ssh-rsa is my password",
            "ssh-ed25519 AAAA",
            "---- BEGIN SSH2 PUBLIC KE",
            "-----BEGIN PUBLIC KEY----- is no frame",
            "MIIBIjANBgkqhkiG9w0B",
            "/run/secrets",
        ] {
            assert_eq!(masked(&[password]), [password]);
        }
    }

    #[test]
    fn a_private_key_is_masked_whatever_it_is_called_or_stands_beside() {
        let body = PRIVATE.lines().nth(1).unwrap();
        let called = PRIVATE.replace("PRIVATE", "PUBLIC");
        assert_eq!(masked(&[&called]), [body]);
        let pair = format!("{PUBLIC}{PRIVATE}");
        assert!(masked(&[&pair]).contains(&body.to_owned()));
        let encoded = BASE64_STANDARD.encode(PRIVATE);
        assert_eq!(masked(&[&encoded]), [encoded.as_str()]);
        let cut = PRIVATE.replace("-----END PRIVATE KEY-----\n", "");
        assert_eq!(masked(&[&cut]), [body]);
    }
}
