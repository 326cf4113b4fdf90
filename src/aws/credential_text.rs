//! The texts that credentials consist of. The SDK puts them into headers unchecked, and panics on a control character
//! ([smithy-rs#4565](https://github.com/smithy-lang/smithy-rs/issues/4565)).

use aws_credential_types::Credentials;
use s3lo_core::explain::Explain;

use crate::environment;
use crate::environment::variable;

/// A part of a set of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    AccessKeyId,
    /// The authorization for the service that gives credentials to a container.
    Authorization,
    SecretAccessKey,
    SessionToken,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Self::AccessKeyId => "the access key ID",
            Self::Authorization => "the authorization",
            Self::SecretAccessKey => "the secret access key",
            Self::SessionToken => "the session token",
        }
    }
}

/// The reason why a text cannot be part of credentials. It never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// White space inside of it.
    #[error("contains white space")]
    Blank,
    /// A control character.
    #[error("contains a control character")]
    Control,
    /// A newline.
    #[error("contains a newline")]
    Newline,
    /// A character that no header may contain.
    #[error("contains a character that is not ASCII")]
    NotAscii,
}

/// The reason why credentials cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum Error {
    /// The text itself is not repeated.
    #[error("{place} {problem}")]
    Malformed { place: String, problem: Problem },
    #[error(transparent)]
    Variable(#[from] environment::Error),
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        "configuration"
    }

    fn help(&self) -> String {
        match self {
            Self::Malformed {
                problem: Problem::Newline,
                ..
            } => "set it again, on one line: a secret that was pasted on two lines has a newline inside".to_owned(),
            Self::Malformed { .. } => {
                "set it again without that: it consists of letters, digits and `/+=`, on one line".to_owned()
            }
            Self::Variable(error) => error.help(),
        }
    }
}

/// Checks a text without the white space around it.
///
/// # Errors
///
/// [`Error::Malformed`], which names its place.
pub(crate) fn check(field: Field, text: &str, place: impl FnOnce() -> String) -> Result<(), Error> {
    match text.trim().chars().find_map(|c| problem(field, c)) {
        Some(problem) => Err(Error::Malformed {
            place: place(),
            problem,
        }),
        None => Ok(()),
    }
}

fn problem(field: Field, c: char) -> Option<Problem> {
    match c {
        '\n' | '\r' => Some(Problem::Newline),
        c if c.is_control() => Some(Problem::Control),
        // The secret access key is never sent, and servers other than AWS let a user choose it. An authorization has a
        // blank after its scheme, as in `Basic …`.
        _ if matches!(field, Field::SecretAccessKey | Field::Authorization) => None,
        ' ' => Some(Problem::Blank),
        c if !c.is_ascii() => Some(Problem::NotAscii),
        _ => None,
    }
}

/// The credentials of a source, without the white space around them that `echo` leaves.
///
/// # Errors
///
/// [`Error::Malformed`] for other white space and control characters.
pub(crate) fn cleaned(source: &str, credentials: Credentials) -> Result<Credentials, Error> {
    let token = credentials.session_token().unwrap_or_default();
    let fields = [
        (Field::AccessKeyId, credentials.access_key_id()),
        (Field::SecretAccessKey, credentials.secret_access_key()),
        (Field::SessionToken, token),
    ];
    for (field, text) in fields {
        check(field, text, || format!("{} of {source}", field.name()))?;
    }
    if fields.iter().all(|(_, text)| text.trim() == *text) {
        return Ok(credentials);
    }
    let [id, secret, token] = fields.map(|(_, text)| text.trim().to_owned());
    let mut cleaned = Credentials::builder()
        .access_key_id(id)
        .secret_access_key(secret)
        .provider_name("cleaned");
    cleaned.set_session_token(Some(token).filter(|token| !token.is_empty()));
    cleaned.set_expiry(credentials.expiry());
    Ok(cleaned.build())
}

/// Checks the credentials in the environment, which the SDK also reads for a profile with
/// `credential_source = Environment`.
///
/// # Errors
///
/// [`Error::Malformed`], which names the variable.
pub(crate) fn check_environment() -> Result<(), Error> {
    for (name, field) in [
        ("AWS_ACCESS_KEY_ID", Field::AccessKeyId),
        ("AWS_SECRET_ACCESS_KEY", Field::SecretAccessKey),
        ("AWS_SESSION_TOKEN", Field::SessionToken),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", Field::Authorization),
    ] {
        let Some(text) = variable(name)? else {
            continue;
        };
        check(field, &text, || name.to_owned())?;
        // The program was not restarted without it.
        if text.trim() != text {
            return Err(Error::Malformed {
                place: name.to_owned(),
                problem: Problem::Blank,
            });
        }
    }
    Ok(())
}

/// Whether the environment itself holds credentials.
pub(crate) fn in_environment() -> bool {
    environment::is_set("AWS_ACCESS_KEY_ID")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_removed_around_credentials_and_refused_inside() {
        let of = |id: &str, secret: &str, token: &str| {
            let token = Some(token.to_owned());
            let credentials = Credentials::new(id, secret, token, None, "test");
            cleaned("a test", credentials)
        };
        let clean = of("\tAKIA\r\n", "secret key \n", "\ntoken/+=\n").unwrap();
        assert_eq!(clean.access_key_id(), "AKIA");
        assert_eq!(clean.secret_access_key(), "secret key");
        assert_eq!(clean.session_token(), Some("token/+="));
        for (id, secret, token, place, problem) in [
            ("AK\nIA", "s", "t", "the access key ID", Problem::Newline),
            ("AK IA", "s", "t", "the access key ID", Problem::Blank),
            ("AK\u{1}IA", "s", "t", "the access key ID", Problem::Control),
            ("ÄKIA", "s", "t", "the access key ID", Problem::NotAscii),
            (
                "AKIA",
                "s\rt",
                "t",
                "the secret access key",
                Problem::Newline,
            ),
            (
                "AKIA",
                "s\u{7f}",
                "t",
                "the secret access key",
                Problem::Control,
            ),
            ("AKIA", "s", "t\nt", "the session token", Problem::Newline),
            ("AKIA", "s", "t\u{0}", "the session token", Problem::Control),
        ] {
            let place = format!("{place} of a test");
            let error = of(id, secret, token).unwrap_err();
            assert_eq!(error, Error::Malformed { place, problem });
        }
    }
}
