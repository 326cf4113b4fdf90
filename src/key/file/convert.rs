//! Commands that bring a key into a form that is read. A test runs each of them.

use s3lo_core::crypto::foreign::{Foreign, Form};

use crate::key::reference::{KeyRef, PATH_SCHEME};
use crate::option_name::option;
use crate::text::quoted;

/// Advice for what holds no private key.
pub(super) const SIGN_WITH_PRIVATE: &str =
    "sign with the private key, usually the `.key` file beside it; the `.pub` is for `s3lo verify`";

/// Advice for what is no private key.
pub(super) const PRIVATE_FORMS: &str = "give a cosign key (`s3lo generate-key-pair`) or a PEM private key in PKCS #8, SEC 1 or PKCS #1";

/// Advice for what is no public key.
pub(super) const PUBLIC_FORMS: &str =
    "give a PEM public key, such as cosign.pub or what `s3lo public-key --key cosign.key` prints";

/// The variable from which openssl takes a password.
const SET_PASSWORD: &str = "set COSIGN_PASSWORD to its password";

/// Where a command reads a key.
struct Input {
    /// The command that writes the value of a variable to the next one; empty for a file.
    before: String,
    /// The file.
    path: String,
    /// The name of the variable, if it is one.
    variable: Option<String>,
}

impl Input {
    fn of(key: &KeyRef) -> Self {
        match key.scheme() {
            PATH_SCHEME => Self {
                before: String::new(),
                path: quoted(key.rest()),
                variable: None,
            },
            // `%b` makes line breaks of `\n`.
            _ => Self {
                before: format!("printf '%b\\n' \"${}\" | ", key.rest()),
                path: "/dev/stdin".to_owned(),
                variable: Some(key.rest().to_owned()),
            },
        }
    }

    /// The command that writes the bytes in DER that are there in this form.
    fn der(&self, form: Form) -> (String, String) {
        let Self { before, path, .. } = self;
        match form {
            Form::Bytes | Form::Pem => (before.clone(), path.clone()),
            Form::Base64 => (
                format!("{before}tr -dc 'A-Za-z0-9+/=' < {path} | base64 -d | "),
                "/dev/stdin".to_owned(),
            ),
        }
    }

    /// The path of a file with the key, and the command that makes that file of a variable.
    fn file(&self) -> (String, String) {
        match &self.variable {
            None => (String::new(), self.path.clone()),
            Some(name) => (
                format!("(umask 077; printf '%b\\n' \"${name}\" > key.pem) && "),
                "key.pem".to_owned(),
            ),
        }
    }
}

/// Advice to convert a private key, or to use another one.
pub(super) fn to_private(key: &KeyRef, foreign: Foreign) -> String {
    let input = Input::of(key);
    match foreign {
        Foreign::OpenSshPrivate { ed25519: false } => {
            let (before, path) = input.file();
            let command = format!("{before}ssh-keygen -p -m PKCS8 -f {path}");
            match input.variable {
                Some(_) => convert(&command, &path),
                None => format!("convert it, which rewrites the file: `{command}`"),
            }
        }
        Foreign::OpenSshPrivate { ed25519: true } => "ssh-keygen does not convert Ed25519 keys; make a key by `s3lo generate-key-pair`, or `openssl genpkey -algorithm ed25519 -out key.pem`".to_owned(),
        Foreign::DerPrivate(form) => {
            let (before, path) = input.der(form);
            convert(&format!("{before}openssl pkey -inform DER -in {path} -out key.pem"), "key.pem")
        }
        Foreign::Pkcs12(form) => {
            let (before, path) = input.der(form);
            format!(
                "{SET_PASSWORD}, and take the key out of it: `{before}openssl pkcs12 -in {path} -passin env:COSIGN_PASSWORD -nocerts -nodes | openssl pkey -out key.pem`; then use key.pem"
            )
        }
        Foreign::Certificate(_)
        | Foreign::CertificateRequest
        | Foreign::DerPublic(_)
        | Foreign::OpenSshPublic { .. }
        | Foreign::Ssh2Public { .. } => SIGN_WITH_PRIVATE.to_owned(),
        other => general(&input, other).unwrap_or_else(|| PRIVATE_FORMS.to_owned()),
    }
}

/// Advice to convert a public key, or to use another one.
pub(super) fn to_public(key: &KeyRef, foreign: Foreign) -> String {
    let input = Input::of(key);
    let Input { before, path, .. } = &input;
    let command = match foreign {
        Foreign::OpenSshPublic { ed25519: false } => {
            format!("{before}ssh-keygen -e -m PKCS8 -f {path} > key.pub")
        }
        Foreign::OpenSshPublic { ed25519: true } => ed25519(&format!("{before}cat {path}")),
        Foreign::OpenSshPrivate { ed25519: false } => {
            let (before, path) = input.file();
            format!("{before}ssh-keygen -e -m PKCS8 -f {path} > key.pub")
        }
        Foreign::OpenSshPrivate { ed25519: true } => {
            let (before, path) = input.file();
            ed25519(&format!("{before}ssh-keygen -y -f {path}"))
        }
        Foreign::Ssh2Public { ed25519: false } => format!(
            "{before}ssh-keygen -i -f {path} | ssh-keygen -e -m PKCS8 -f /dev/stdin > key.pub"
        ),
        Foreign::Ssh2Public { ed25519: true } => {
            ed25519(&format!("{before}ssh-keygen -i -f {path}"))
        }
        Foreign::Raw32 => {
            let (before, _) = input.der(Form::Base64);
            let command = ed25519_of(before.trim_end_matches(" | "));
            return format!(
                "if it is a public key on Ed25519 as Vault's API shows it, convert it: `{command}`; then use key.pub"
            );
        }
        Foreign::DerPublic(form) => {
            let (before, path) = input.der(form);
            format!("{before}openssl pkey -pubin -inform DER -in {path} -pubout -out key.pub")
        }
        Foreign::DerPrivate(form) => {
            let (before, path) = input.der(form);
            format!("{before}openssl pkey -inform DER -in {path} -pubout -out key.pub")
        }
        Foreign::Certificate(form) => {
            let (before, path) = input.der(form);
            let form = if form == Form::Pem {
                ""
            } else {
                "-inform DER "
            };
            format!("{before}openssl x509 {form}-in {path} -noout -pubkey > key.pub")
        }
        Foreign::CertificateRequest => {
            format!("{before}openssl req -in {path} -noout -pubkey > key.pub")
        }
        Foreign::Pkcs12(form) => {
            let (before, path) = input.der(form);
            return format!(
                "{SET_PASSWORD}, and take the public key out of it: `{before}openssl pkcs12 -in {path} -passin env:COSIGN_PASSWORD -nokeys -clcerts | openssl x509 -noout -pubkey > key.pub`; then use key.pub"
            );
        }
        other => return general(&input, other).unwrap_or_else(|| PUBLIC_FORMS.to_owned()),
    };
    match foreign {
        Foreign::Certificate(_) | Foreign::CertificateRequest => {
            format!("take the public key out of it: `{command}`")
        }
        _ => convert(&command, "key.pub"),
    }
}

/// Advice to encrypt a key anew, in the form that is read.
pub(super) fn encrypted_anew(key: &KeyRef) -> String {
    let Input { before, path, .. } = Input::of(key);
    format!(
        "{SET_PASSWORD}, and bring it into PKCS #8: `{before}openssl pkcs8 -topk8 -in {path} -passin env:COSIGN_PASSWORD -passout env:COSIGN_PASSWORD -out key.pem`; then use key.pem"
    )
}

/// Advice for a private key that only verifies here.
pub(super) fn public_half(key: &KeyRef) -> String {
    let Input { before, path, .. } = Input::of(key);
    format!(
        "make a key that is supported: `s3lo generate-key-pair` makes an EC P-256 key; the public half of this one can verify: `{before}openssl pkey -in {path} -pubout -out key.pub`"
    )
}

/// Advice for a private key with the parameters of its curve.
pub(super) fn named_curve(key: &KeyRef) -> String {
    let Input { before, path, .. } = Input::of(key);
    let command = format!("{before}openssl pkey -in {path} -ec_param_enc named_curve -out key.pem");
    convert(&command, "key.pem")
}

/// Advice for a public key with the parameters of its curve.
pub(super) fn named_public_curve(key: &KeyRef) -> String {
    let Input { before, path, .. } = Input::of(key);
    let command = format!(
        "{before}openssl pkey -pubin -in {path} -ec_param_enc named_curve -pubout -out key.pub"
    );
    convert(&command, "key.pub")
}

/// Advice for a public key whose point is compressed.
pub(super) fn uncompressed(key: &KeyRef) -> String {
    let Input { before, path, .. } = Input::of(key);
    let command = format!(
        "{before}openssl pkey -pubin -in {path} -ec_conv_form uncompressed -pubout -out key.pub"
    );
    convert(&command, "key.pub")
}

/// Advice for a PEM block under the label of the other half.
pub(super) fn relabelled(key: &KeyRef, label: &str, correct: &str) -> String {
    let Input { before, path, .. } = Input::of(key);
    let name = if correct.starts_with("PUBLIC") {
        "key.pub"
    } else {
        "key.pem"
    };
    format!(
        "if that is intended, correct its label: `{before}(umask 077; sed 's/{label}-----/{correct}-----/' {path} > {name})`; then use {name}"
    )
}

/// Advice for headers that say nothing of encryption.
pub(super) fn without_headers(key: &KeyRef) -> String {
    let Input { before, path, .. } = Input::of(key);
    convert(
        &format!("{before}(umask 077; grep -v : {path} > key.pem)"),
        "key.pem",
    )
}

/// Makes SPKI of the 32 bytes at the end of an Ed25519 key, which `command` writes in OpenSSH's form.
fn ed25519(command: &str) -> String {
    ed25519_of(&format!(
        "{command} | awk '{{print $2}}' | base64 -d | tail -c 32"
    ))
}

/// Makes SPKI of the 32 bytes of an Ed25519 key, which `command` writes: the constant part of
/// [RFC 8410 §4](https://www.rfc-editor.org/rfc/rfc8410#section-4), and the key.
fn ed25519_of(command: &str) -> String {
    format!(
        r"{{ printf '\060\052\060\005\006\003\053\145\160\003\041\000'; {command}; }} | openssl pkey -pubin -inform DER -pubout -out key.pub"
    )
}

fn convert(command: &str, name: &str) -> String {
    format!("convert it: `{command}`; then use {name}")
}

/// Advice that is the same for both halves of a key. `None` if it is no key at all.
fn general(input: &Input, foreign: Foreign) -> Option<String> {
    Some(match foreign {
        Foreign::Path | Foreign::KeyReference => match &input.variable {
            Some(name) => {
                format!("give what is in the variable: {}", option("key").with(&format!("\"${name}\"")))
            }
            None => format!("give what is in the file as {}", option("key")),
        },
        Foreign::Template => "check the name that is in it: no value was put in its place, as for a secret or a variable that this job may not read".to_owned(),
        Foreign::Empty => "check what wrote it, and that the secret or variable that it was written from is there".to_owned(),
        Foreign::GitLfs => "let the checkout fetch the files of Git LFS".to_owned(),
        Foreign::Html => "check the address and the login of what fetched it: a server answered with a page".to_owned(),
        Foreign::AnsibleVault => "decrypt it with Ansible Vault first".to_owned(),
        Foreign::JavaKeystore => "export the key from it as PKCS #12, and take it out of that".to_owned(),
        Foreign::JsonWebKey => "export the key as PEM from where it was made".to_owned(),
        Foreign::Putty => "export it from PuTTYgen in OpenSSH's form".to_owned(),
        Foreign::Typography => "copy it again from where it was made, not from a document".to_owned(),
        Foreign::UrlEncoded => "decode it: `%0A` is a line break, `%2B` a plus sign".to_owned(),
        Foreign::Age | Foreign::Minisign | Foreign::Pgp => {
            "such keys do not sign here: `s3lo generate-key-pair` makes one that does".to_owned()
        }
        _ => return None,
    })
}
