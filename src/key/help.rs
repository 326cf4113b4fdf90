//! What to do about a key that cannot be used.

use s3lo_core::crypto::{cosign, pem, private, public};

use crate::diagnostic::Explain;
use crate::key::{Error, KeyRef, RefError, Source, awskms, vault};
use crate::text::quoted;

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Kms { source, .. } => awskms::help::code(source),
            Self::Missing { .. } => "key_not_found",
            Self::Oversized { .. } => "not_a_key",
            Self::PasswordMissing { .. } => "password_missing",
            Self::Private { source, .. } => private_code(source),
            Self::Public { source, .. } => public_code(source),
            Self::Unreadable { .. } => "key_unreadable",
            Self::Vault { source, .. } => vault::help::code(source),
            Self::WrongPassword { .. } => "wrong_password",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Kms { key, source } => awskms::help::help(key, source),
            Self::Missing { key } => match key.source() {
                Source::Environment(name) => format!("put the key's PEM into the variable {name}: it is unset or empty"),
                Source::File(path) if path.starts_with("arn:aws") || path.starts_with("alias/") => {
                    let name = quoted(&format!("awskms:///{path}"));
                    format!("if it is a key in AWS KMS, write `{name}`")
                }
                Source::File(path) if path.starts_with("hashivault:") || path.starts_with("openbao:") => {
                    "if it is a key in Vault, write `hashivault://KEY`, with two slashes".to_owned()
                }
                Source::File(path) if path.ends_with(".pub") => {
                    "check the path; in a job, check the repository out first; `s3lo public-key --key KEY` prints a key's public half".to_owned()
                }
                Source::File(_) | Source::AwsKms(_) | Source::Transit(_) => "check the path; `s3lo generate-key-pair` makes a new pair, cosign.key and cosign.pub".to_owned(),
            },
            Self::Oversized { .. } => "give a PEM file of at most 64 KiB".to_owned(),
            Self::PasswordMissing { .. } => "set COSIGN_PASSWORD to the password that the key was made with".to_owned(),
            Self::Private { key, source } => private_help(key, source),
            Self::Public { key, source } => public_help(key, source),
            Self::Unreadable { key, .. } => format!("check that it is a file that this user may read: `ls -l {}`", quoted(key.as_str())),
            Self::Vault { key, path, source } => vault::help::help(key, path, source),
            Self::WrongPassword { .. } => {
                "set COSIGN_PASSWORD to the password that the key was made with; a trailing newline counts".to_owned()
            }
        }
    }
}

impl Explain for RefError {
    fn code(&self) -> &'static str {
        match self {
            Self::AwsKms(error) => error.code(),
            Self::Transit(error) => error.code(),
            Self::Secret | Self::KeyMaterial => "secret_in_key_reference",
            Self::NotBuilt { .. } | Self::UnknownScheme { .. } => "unknown_key_scheme",
            Self::Empty | Self::TooLong | Self::VariableName => "bad_key_reference",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::AwsKms(error) => error.help(),
            Self::Transit(error) => error.help(),
            Self::Empty => "name a key, as in `--key cosign.key`".to_owned(),
            Self::KeyMaterial => "put the key into a variable and name that: `--key env://COSIGN_PRIVATE_KEY`".to_owned(),
            Self::UnknownScheme { scheme } if ["awskms", "env", "hashivault", "openbao"].contains(&scheme.to_ascii_lowercase().as_str()) => {
                format!("write it in small letters: `{}://`", scheme.to_ascii_lowercase())
            }
            Self::NotBuilt { .. } | Self::UnknownScheme { .. } => {
                "use a key in AWS KMS (`--key awskms:///alias/NAME`), in Vault (`--key hashivault://HOST/v1/transit/keys/KEY`), a key file (`--key cosign.key`) or a variable that holds one (`--key env://COSIGN_PRIVATE_KEY`)".to_owned()
            }
            Self::TooLong => "name the file by a shorter path".to_owned(),
            Self::Secret => "take the password, token or PIN out of it and give it by an environment variable".to_owned(),
            Self::VariableName => "write `env://` and a name of letters, digits and underscores, as in `--key env://COSIGN_PRIVATE_KEY`".to_owned(),
        }
    }
}

fn private_code(error: &private::Error) -> &'static str {
    match error {
        private::Error::Cosign(cosign::Error::Cost { .. }) => "unsupported_scrypt_cost",
        private::Error::EncryptedPkcs8 => "unsupported_encryption",
        private::Error::Public(error) => public_code(error),
        private::Error::PublicKey => "public_key_cannot_sign",
        private::Error::Random => "no_randomness",
        private::Error::Pem(pem::Error::Headers) => "unsupported_encryption",
        private::Error::Pem(_)
        | private::Error::Cosign(_)
        | private::Error::Encoding
        | private::Error::Label { .. }
        | private::Error::Signing => "not_a_key",
    }
}

fn private_help(key: &KeyRef, error: &private::Error) -> String {
    match error {
        private::Error::Pem(pem::Error::Headers) | private::Error::EncryptedPkcs8 => format!(
            "bring it into cosign's form: `cosign import-key-pair --key {}`, then use import-cosign.key",
            quoted(key.as_str())
        ),
        private::Error::Pem(pem::Error::Several) => "put each key into a file of its own, and give `--key` for each".to_owned(),
        private::Error::Cosign(cosign::Error::Cost { .. }) => {
            "cosign writes N = 32768, 65536 or 131072 with r = 8 and p = 1; make the key again with `s3lo generate-key-pair`, and do not trust where this one comes from".to_owned()
        }
        private::Error::Public(error) => public_help(key, error),
        private::Error::PublicKey => "sign with the private key, usually the `.key` file beside it; the `.pub` is for `s3lo verify`".to_owned(),
        private::Error::Random => "check that the system's random source is available to this process".to_owned(),
        private::Error::Pem(_)
        | private::Error::Cosign(_)
        | private::Error::Encoding
        | private::Error::Label { .. }
        | private::Error::Signing => {
            "give a cosign key (`s3lo generate-key-pair`) or a PEM private key in PKCS #8, SEC 1 or PKCS #1".to_owned()
        }
    }
}

fn public_code(error: &public::Error) -> &'static str {
    match error {
        public::Error::Exponent
        | public::Error::RsaSize { .. }
        | public::Error::Unsupported { .. }
        | public::Error::WeakKey => "unsupported_key",
        public::Error::Pem(_)
        | public::Error::Certificate
        | public::Error::Curve
        | public::Error::Encoding
        | public::Error::Label { .. } => "not_a_key",
    }
}

fn public_help(key: &KeyRef, error: &public::Error) -> String {
    match error {
        public::Error::Certificate => {
            format!("take the public key out of it: `openssl x509 -in {} -noout -pubkey > key.pub`", quoted(key.as_str()))
        }
        public::Error::Pem(pem::Error::Several) => "put each key into a file of its own, and give `--key` for each".to_owned(),
        public::Error::Curve => format!("name the curve in it: `openssl ec -in {} -param_enc named_curve -out named.key`", quoted(key.as_str())),
        public::Error::Exponent
        | public::Error::RsaSize { .. }
        | public::Error::Unsupported { .. }
        | public::Error::WeakKey => "make a key that is supported: `s3lo generate-key-pair` makes an EC P-256 key".to_owned(),
        public::Error::Pem(_) | public::Error::Encoding | public::Error::Label { .. } => {
            "give a PEM public key, such as cosign.pub or what `s3lo public-key --key cosign.key` prints".to_owned()
        }
    }
}
