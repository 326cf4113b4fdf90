//! Errors of key files, with their advice.

use std::path::Path;

use s3lo_core::crypto::foreign::{Foreign, Form};
use s3lo_core::crypto::{cosign, pbes2, pem, private, public};
use s3lo_core::explain::{Explain, Fact};

use crate::key::file::convert;
use crate::key::file::convert::{PRIVATE_FORMS, PUBLIC_FORMS, SIGN_WITH_PRIVATE};
use crate::key::file::location::Location;
use crate::key::reference::KeyRef;
use crate::option_name::{option, set_password};
use crate::similar::nearest_entry;
use crate::text::{printable, quoted};

/// Why a key file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file or variable does not exist.
    #[error("there is no key at `{key}`")]
    Missing {
        /// The reference.
        key: KeyRef,
        /// The file or variable.
        location: Location,
    },
    /// The file is too large for a key.
    #[error("`{key}` is too large to be a key")]
    Oversized {
        /// The reference.
        key: KeyRef,
    },
    /// The key is encrypted, and no password was typed.
    #[error("no password for the key `{key}` was typed: {reason}")]
    NotTyped {
        /// The reference.
        key: KeyRef,
        /// The reason, from the operating system.
        reason: String,
    },
    /// The key is encrypted and there is no password.
    #[error("the key `{key}` is encrypted, and COSIGN_PASSWORD is not set")]
    PasswordMissing {
        /// The reference.
        key: KeyRef,
    },
    /// The text is no private key that can sign.
    #[error("cannot use the key `{key}`")]
    Private {
        /// The reference.
        key: KeyRef,
        /// The reason.
        source: private::Error,
    },
    /// The text is no public key that can verify.
    #[error("cannot use the key `{key}`")]
    Public {
        /// The reference.
        key: KeyRef,
        /// The reason.
        source: public::Error,
    },
    /// The file exists and cannot be read.
    #[error("cannot read the key `{key}`: {reason}")]
    Unreadable {
        /// The reference.
        key: KeyRef,
        /// The reason, from the operating system.
        reason: String,
    },
    /// The password is wrong.
    #[error("wrong password for the key `{key}`")]
    WrongPassword {
        /// The reference.
        key: KeyRef,
        /// The form of the password.
        password: PasswordForm,
    },
}

/// A form of a password that is a mistake most often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordForm {
    /// It is empty.
    Empty,
    /// It ends with a newline, which is part of it.
    EndsWithNewline,
    /// Any other.
    Other,
}

impl PasswordForm {
    /// The form of a password.
    pub fn of(password: &[u8]) -> Self {
        match password {
            [] => Self::Empty,
            [.., b'\n' | b'\r'] => Self::EndsWithNewline,
            _ => Self::Other,
        }
    }

    fn fault(self) -> Option<&'static str> {
        match self {
            Self::Empty => Some("it is empty"),
            Self::EndsWithNewline => Some("it ends with a newline, which counts"),
            Self::Other => None,
        }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "key_not_found",
            Self::Oversized { .. } => "not_a_key",
            Self::NotTyped { .. } | Self::PasswordMissing { .. } => "password_missing",
            Self::Private { source, .. } => private_code(source),
            Self::Public { source, .. } => public_code(source),
            Self::Unreadable { .. } => "key_unreadable",
            Self::WrongPassword { .. } => "wrong_password",
        }
    }

    fn facts(&self) -> Vec<Fact> {
        match self {
            Self::WrongPassword { password, .. } => password
                .fault()
                .map(|fault| Fact::new("password", fault))
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Missing { key, location } => missing(key, location),
            Self::Oversized { .. } => "give a PEM file of at most 64 KiB".to_owned(),
            Self::NotTyped { .. } | Self::PasswordMissing { .. } => format!(
                "{} to the password that the key was made with",
                set_password()
            ),
            Self::Private { key, source } => private_help(key, source),
            Self::Public { key, source } => public_help(key, source),
            Self::Unreadable { key, .. } => format!(
                "check that it is a file that this user may read: `ls -l {}`",
                quoted(key.as_str())
            ),
            Self::WrongPassword { .. } => {
                format!(
                    "{} to the password that the key was made with",
                    set_password()
                )
            }
        }
    }
}

fn missing(key: &KeyRef, location: &Location) -> String {
    match location {
        Location::Variable(name) => {
            format!("put the key's PEM into the variable {name}, which is unset or empty")
        }
        Location::File(path) if path.starts_with('$') => format!(
            "write the path without single quotes: a shell replaces `{}` only outside of them",
            printable(path.split('/').next().unwrap_or(path))
        ),
        Location::File(path) => match key.suggestion() {
            Some(suggestion) => suggestion.to_owned(),
            None if path.starts_with("~/") => format!(
                "write {}: a shell replaces `~` only where a word begins, and not in quotes",
                option("key").with(&format!("\"$HOME\"{}", quoted(path.trim_start_matches('~'))))
            ),
            None => match nearest_file(path) {
                Some(near) => format!("did you mean {}?", option("key").with(&quoted(&near))),
                None if path.ends_with(".pub") => "check the path; in a job, check out the repository first\n`s3lo public-key --key KEY` prints the public half of a key".to_owned(),
                None => "check the path\n`s3lo generate-key-pair` makes a new pair, cosign.key and cosign.pub".to_owned(),
            },
        },
    }
}

/// The path of the file beside which this one is a typing error.
fn nearest_file(path: &str) -> Option<String> {
    let path = Path::new(path);
    let near = nearest_entry(path, |entry| {
        entry.file_type().is_ok_and(|kind| kind.is_file())
    });
    let near = path.with_file_name(near?);
    near.to_str().map(str::to_owned)
}

fn private_code(error: &private::Error) -> &'static str {
    match error {
        private::Error::Cosign(cosign::Error::Cost { .. })
        | private::Error::Pbes2(pbes2::Error::Cost { .. }) => "unsupported_scrypt_cost",
        private::Error::Pbes2(pbes2::Error::Rounds { .. } | pbes2::Error::Scheme)
        | private::Error::Pem(pem::Error::Headers) => "unsupported_encryption",
        private::Error::Password | private::Error::Pbes2(pbes2::Error::Password) => {
            "wrong_password"
        }
        private::Error::Primes => "unsupported_key",
        private::Error::Public(error) => public_code(error),
        private::Error::PublicKey => "public_key_cannot_sign",
        private::Error::Random => "no_randomness",
        private::Error::Pem(_)
        | private::Error::Pbes2(_)
        | private::Error::Contradiction { .. }
        | private::Error::Cosign(_)
        | private::Error::Encoding
        | private::Error::Label { .. }
        | private::Error::Signing => "not_a_key",
    }
}

fn private_help(key: &KeyRef, error: &private::Error) -> String {
    match error {
        private::Error::Pem(error) => pem_help(key, error, PRIVATE_FORMS)
            .unwrap_or_else(|foreign| convert::to_private(key, foreign)),
        // A cost that openssl refuses as well: it takes no more than 32 MiB.
        private::Error::Pbes2(pbes2::Error::Cost { n, r, .. })
            if n.saturating_mul(*r) > (1 << 17) =>
        {
            format!(
                "{COST}; make the key again with `s3lo generate-key-pair`, and do not trust where this one comes from"
            )
        }
        private::Error::Pbes2(
            pbes2::Error::Cost { .. } | pbes2::Error::Rounds { .. } | pbes2::Error::Scheme,
        ) => convert::encrypted_anew(key),
        private::Error::Cosign(cosign::Error::Cost { .. }) => {
            format!(
                "cosign writes {COST}; make the key again with `s3lo generate-key-pair`, and do not trust where this one comes from"
            )
        }
        private::Error::Contradiction { label } => convert::relabelled(key, label, "PUBLIC KEY"),
        private::Error::Primes => convert::public_half(key),
        private::Error::Public(public::Error::Curve) => convert::named_curve(key),
        private::Error::Public(error) => public_help(key, error),
        private::Error::PublicKey => SIGN_WITH_PRIVATE.to_owned(),
        private::Error::Random => {
            "check that the system's random source is available to this process".to_owned()
        }
        private::Error::Password | private::Error::Pbes2(pbes2::Error::Password) => {
            format!(
                "{} to the password that the key was made with",
                set_password()
            )
        }
        private::Error::Cosign(_)
        | private::Error::Encoding
        | private::Error::Label { .. }
        | private::Error::Pbes2(pbes2::Error::Encoding)
        | private::Error::Signing => PRIVATE_FORMS.to_owned(),
    }
}

/// The costs of scrypt that are supported.
const COST: &str = "N = 32768, 65536 or 131072 with r = 8 and p = 1";

fn public_code(error: &public::Error) -> &'static str {
    match error {
        public::Error::Exponent
        | public::Error::RsaSize { .. }
        | public::Error::Unsupported { .. }
        | public::Error::WeakKey => "unsupported_key",
        public::Error::Pem(pem::Error::Headers) => "unsupported_encryption",
        public::Error::Pem(_)
        | public::Error::Certificate
        | public::Error::Contradiction { .. }
        | public::Error::Curve
        | public::Error::Encoding
        | public::Error::Label { .. }
        | public::Error::NoCurve
        | public::Error::PointForm => "not_a_key",
    }
}

fn public_help(key: &KeyRef, error: &public::Error) -> String {
    match error {
        public::Error::Pem(error) => pem_help(key, error, PUBLIC_FORMS)
            .unwrap_or_else(|foreign| convert::to_public(key, foreign)),
        public::Error::Certificate => convert::to_public(key, Foreign::Certificate(Form::Pem)),
        public::Error::Contradiction { label } => convert::relabelled(key, label, "PRIVATE KEY"),
        public::Error::Curve => convert::named_public_curve(key),
        public::Error::PointForm => convert::uncompressed(key),
        public::Error::NoCurve => {
            "make it again from the original, in PKCS #8: that form names the curve".to_owned()
        }
        public::Error::Exponent
        | public::Error::RsaSize { .. }
        | public::Error::Unsupported { .. }
        | public::Error::WeakKey => {
            "make a key that is supported: `s3lo generate-key-pair` makes an EC P-256 key"
                .to_owned()
        }
        public::Error::Encoding | public::Error::Label { .. } => PUBLIC_FORMS.to_owned(),
    }
}

/// Advice that is the same for both halves of a key, or what else it is that must be converted.
fn pem_help(key: &KeyRef, error: &pem::Error, forms: &str) -> Result<String, Foreign> {
    Ok(match error {
        pem::Error::Foreign(foreign) => return Err(*foreign),
        pem::Error::Headers => convert::encrypted_anew(key),
        pem::Error::OtherHeaders => convert::without_headers(key),
        pem::Error::Malformed | pem::Error::NoEnd => {
            "copy it again from where it was made, from the line `-----BEGIN …-----` to the line `-----END …-----`".to_owned()
        }
        pem::Error::NotPem => forms.to_owned(),
        pem::Error::Several => format!("put each key into a file of its own, and give {key} for each", key = option("key")),
    })
}
