//! The contents that are given in place of a key in PEM, by name: keys of other tools, other encodings of a key, and
//! what is no key at all.

use core::fmt;

use crate::crypto::shape::Shape;
use crate::crypto::wrapping::{base64, contains};

/// Something else than a key in PEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A key or a file of [age](https://age-encryption.org).
    Age,
    /// A file of Ansible Vault.
    AnsibleVault,
    /// An X.509 certificate.
    Certificate(Form),
    /// A request for a certificate.
    CertificateRequest,
    /// A private key in DER without PEM around it.
    DerPrivate(Form),
    /// A public key in DER without PEM around it.
    DerPublic(Form),
    /// Nothing.
    Empty,
    /// The pointer that Git LFS leaves in the place of a file.
    GitLfs,
    /// A web page.
    Html,
    /// A Java keystore.
    JavaKeystore,
    /// A JSON Web Key ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)).
    JsonWebKey,
    /// A reference to a key, in the place of the key.
    KeyReference,
    /// A key of minisign or signify.
    Minisign,
    /// A private key of OpenSSH, which may be on Ed25519.
    OpenSshPrivate {
        /// Whether it is an Ed25519 key, which ssh-keygen does not convert.
        ed25519: bool,
    },
    /// A public key of OpenSSH: `authorized_keys`, or the `.pub` beside a private key.
    OpenSshPublic {
        /// Whether it is an Ed25519 key, which ssh-keygen does not convert.
        ed25519: bool,
    },
    /// The path of a file.
    Path,
    /// A key of OpenPGP.
    Pgp,
    /// A PKCS #12 file.
    Pkcs12(Form),
    /// A private key of PuTTY.
    Putty,
    /// 32 bytes in base64, which may be the public key on Ed25519 that Vault's API shows.
    Raw32,
    /// A public key of SSH in the form of [RFC 4716](https://www.rfc-editor.org/rfc/rfc4716).
    Ssh2Public {
        /// Whether it is an Ed25519 key, which ssh-keygen does not convert.
        ed25519: bool,
    },
    /// The name of a variable or a secret, which should have been replaced with its value.
    Template,
    /// PEM whose dashes an editor made into others.
    Typography,
    /// PEM with its characters encoded for a URL.
    UrlEncoded,
}

/// The form of a DER encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The bytes themselves.
    Bytes,
    /// In base64, without the lines around it that PEM has.
    Base64,
    /// In PEM.
    Pem,
}

impl Foreign {
    /// Names a text without a PEM block.
    pub(crate) fn of_text(text: &[u8]) -> Option<Self> {
        let trimmed = text.trim_ascii();
        if trimmed.iter().all(|byte| *byte == 0) {
            return Some(Self::Empty);
        }
        let decoded = base64(trimmed);
        let der = Self::of_der(text, Form::Bytes).or_else(|| Self::of_der(trimmed, Form::Bytes));
        if let Some(found) = der.or_else(|| Self::of_der(decoded.as_deref()?, Form::Base64)) {
            return Some(found);
        }
        let starts = |starts: &[&str]| {
            let mut starts = starts.iter();
            starts.any(|start| trimmed.starts_with(start.as_bytes()))
        };
        let holds = |part: &str| contains(trimmed, part.as_bytes());
        Some(match () {
            () if decoded.as_deref().is_some_and(|bytes| bytes.len() == 32) => Self::Raw32,
            () if starts(&["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]) => Self::OpenSshPublic {
                ed25519: starts(&["ssh-ed25519 "]),
            },
            () if holds("---- BEGIN SSH2 PUBLIC KEY") => Self::Ssh2Public {
                // The base64 of its name.
                ed25519: holds("AAAAC3NzaC1lZDI1NTE5"),
            },
            () if starts(&["PuTTY-User-Key-File-"]) => Self::Putty,
            () if starts(&["AGE-SECRET-KEY-", "age1", "age-encryption.org/"]) => Self::Age,
            () if holds("AGE-SECRET-KEY-1") => Self::Age,
            () if starts(&["untrusted comment:", "RW"]) && !holds("-----") => Self::Minisign,
            () if starts(&["$ANSIBLE_VAULT;"]) => Self::AnsibleVault,
            () if starts(&["version https://git-lfs"]) => Self::GitLfs,
            () if starts(&["{"]) && holds("\"kty\"") => Self::JsonWebKey,
            () if starts(&["<!DOCTYPE", "<!doctype", "<html", "<HTML"]) => Self::Html,
            () if trimmed.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) => Self::JavaKeystore,
            () if holds("BEGIN%20") || holds("BEGIN+") || holds("KEY-----%0A") => Self::UrlEncoded,
            () if starts(&["\u{2014}", "\u{2013}"]) && holds("BEGIN ") => Self::Typography,
            () if is_key_reference(trimmed) => Self::KeyReference,
            () if is_template(trimmed) => Self::Template,
            () if is_path(trimmed) => Self::Path,
            () => return None,
        })
    }

    /// Names a PEM block that is no key of the forms that are read.
    pub(crate) fn of_block(label: &str, contents: &[u8]) -> Option<Self> {
        Some(match label {
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
                Self::Certificate(Form::Pem)
            }
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Self::CertificateRequest,
            "OPENSSH PRIVATE KEY" => Self::OpenSshPrivate {
                // The container names the type of the public key in the clear.
                ed25519: contains(contents, b"ssh-ed25519"),
            },
            "AGE ENCRYPTED FILE" => Self::Age,
            "PKCS12" => Self::Pkcs12(Form::Pem),
            _ if label.starts_with("PGP ") => Self::Pgp,
            _ => return None,
        })
    }

    /// Whether a text without a PEM block is certainly a public key, or holds one and no private key.
    pub(crate) fn is_public(text: &[u8]) -> bool {
        match Self::of_text(text) {
            Some(Self::OpenSshPublic { .. }) => is_openssh_public(text.trim_ascii()),
            Some(
                Self::Certificate(_)
                | Self::CertificateRequest
                | Self::DerPublic(_)
                | Self::Ssh2Public { .. },
            ) => true,
            _ => false,
        }
    }

    fn of_der(der: &[u8], form: Form) -> Option<Self> {
        Some(match Shape::of(der)? {
            Shape::Certificate => Self::Certificate(form),
            Shape::Pkcs12 => Self::Pkcs12(form),
            shape if shape.is_public() => Self::DerPublic(form),
            _ => Self::DerPrivate(form),
        })
    }
}

/// Whether the first two words are the name of a type and base64 that begins with that name, with its length in front
/// ([RFC 4253 §6.6](https://www.rfc-editor.org/rfc/rfc4253#section-6.6)).
fn is_openssh_public(text: &[u8]) -> bool {
    let mut words = text.split(u8::is_ascii_whitespace);
    let (Some(name), Some(blob)) = (words.next(), words.next()) else {
        return false;
    };
    let blob = base64(blob).unwrap_or_default();
    let named = blob.split_first_chunk::<4>().and_then(|(length, rest)| {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        rest.get(..length)
    });
    named == Some(name)
}

fn one_word(text: &[u8]) -> bool {
    text.len() <= 4096 && text.iter().all(u8::is_ascii_graphic)
}

fn is_key_reference(text: &[u8]) -> bool {
    let schemes = [
        "awskms://",
        "hashivault://",
        "openbao://",
        "env://",
        "gcpkms://",
        "azurekms://",
        "k8s://",
    ];
    let mut schemes = schemes.iter();
    one_word(text) && schemes.any(|scheme| text.starts_with(scheme.as_bytes()))
}

/// `${{ secrets.KEY }}`, `$(KEY)`, `${KEY}`, `$KEY`, `{{ key }}`, `%KEY%`, `<KEY>`.
fn is_template(text: &[u8]) -> bool {
    let closed = |start: &str, end: &str| {
        text.starts_with(start.as_bytes()) && text.ends_with(end.as_bytes())
    };
    let name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text.len() <= 200
        && !text.contains(&b'\n')
        && (closed("${", "}")
            || closed("$(", ")")
            || closed("{{", "}}")
            || closed("%", "%")
            || closed("<", ">")
            || text
                .strip_prefix(b"$")
                .is_some_and(|rest| rest.iter().all(name)))
}

fn is_path(text: &[u8]) -> bool {
    let starts = ["/", "./", "../", "~/"];
    let ends = [
        ".key", ".pem", ".pub", ".crt", ".cer", ".der", ".p12", ".pfx", ".txt",
    ];
    let drive = matches!(text, [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic());
    one_word(text)
        && (drive
            || starts
                .iter()
                .any(|start| text.starts_with(start.as_bytes()))
            || ends.iter().any(|end| text.ends_with(end.as_bytes())))
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Age => "a file of age",
            Self::AnsibleVault => "a file that Ansible Vault encrypted",
            Self::Certificate(Form::Pem) => "an X.509 certificate",
            Self::Certificate(Form::Bytes) => "an X.509 certificate in DER",
            Self::Certificate(Form::Base64) => "the base64 of an X.509 certificate in DER",
            Self::CertificateRequest => "a request for a certificate",
            Self::DerPrivate(Form::Base64) => {
                "the base64 of a private key in DER, without the lines of PEM around it"
            }
            Self::DerPrivate(_) => "a private key in DER, not in PEM",
            Self::DerPublic(Form::Base64) => {
                "the base64 of a public key in DER, without the lines of PEM around it"
            }
            Self::DerPublic(_) => "a public key in DER, not in PEM",
            Self::Empty => "empty",
            Self::GitLfs => "a pointer of Git LFS, in the place of the file",
            Self::Html => "a web page",
            Self::JavaKeystore => "a Java keystore",
            Self::JsonWebKey => "a JSON Web Key",
            Self::KeyReference => "a reference to a key, not the key",
            Self::Minisign => "a key of minisign or signify",
            Self::OpenSshPrivate { .. } => "a private key in OpenSSH's own format",
            Self::OpenSshPublic { .. } => "a public key in OpenSSH's own format",
            Self::Path => "the path of a file, not the key in it",
            Self::Pgp => "a key of OpenPGP",
            Self::Pkcs12(Form::Base64) => "the base64 of a PKCS #12 file",
            Self::Pkcs12(_) => "a PKCS #12 file",
            Self::Putty => "a private key of PuTTY",
            Self::Raw32 => "32 bytes in base64",
            Self::Ssh2Public { .. } => "a public key in the form of RFC 4716",
            Self::Template => "the name of a variable or secret, not its value",
            Self::Typography => "PEM with other dashes than `-`, as a word processor makes them",
            Self::UrlEncoded => "PEM in the encoding of URLs",
        })
    }
}
