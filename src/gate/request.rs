//! The arguments of an image verifier, as containerd runs it.
//!
//! containerd starts `s3lo -name NAME -digest DIGEST -stdin-media-type TYPE`, and writes the descriptor of the image to
//! stdin ([protocol](https://github.com/containerd/containerd/blob/v2.4.2/docs/image-verification.md)). Its package for
//! flags reads one dash as two, and `-name=NAME` as `-name NAME`. The descriptor repeats the digest and is not read: a
//! verifier need not take it.

use std::ffi::OsString;

use crate::diagnostic::Explain;

/// The flags, without dashes.
const FLAGS: [&str; 3] = ["name", "digest", "stdin-media-type"];

/// An image that containerd asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The name of the image, as its client wrote it.
    pub name: String,
    /// The digest that the name leads to, as containerd resolved it.
    pub digest: String,
}

/// Whether the arguments, the program's name first, are those of a verifier.
pub fn is_request(arguments: &[OsString]) -> bool {
    let first = arguments.get(1).and_then(|word| word.to_str());
    let flag = first.and_then(flag).map(|(name, _)| name);
    flag.is_some_and(|name| FLAGS.contains(&name))
}

/// The name of a flag, and the value that it brings along.
fn flag(word: &str) -> Option<(&str, Option<&str>)> {
    let flag = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    Some(match flag.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (flag, None),
    })
}

impl Request {
    /// Parses the arguments, the program's name first.
    ///
    /// # Errors
    ///
    /// [`Error`] if there are others than those of the protocol, or not all of them.
    pub fn parse(arguments: &[OsString]) -> Result<Self, Error> {
        let mut words = arguments.iter().skip(1);
        let mut values = FLAGS.map(|name| (name, None));
        while let Some(word) = words.next() {
            let word = text(word)?;
            let unknown = || Error::Unknown {
                argument: word.to_owned(),
            };
            let (name, value) = flag(word).ok_or_else(unknown)?;
            let mut known = values.iter_mut();
            let (name, place) = known.find(|(flag, _)| *flag == name).ok_or_else(unknown)?;
            let value = match value {
                Some(value) => Some(value),
                None => words.next().map(text).transpose()?,
            };
            let value = value.ok_or(Error::Missing { flag: name })?;
            if place.replace(value).is_some() {
                return Err(Error::Twice { flag: name });
            }
        }
        let [(flag, name), (other, digest), _] = values;
        Ok(Self {
            name: name.ok_or(Error::Missing { flag })?.to_owned(),
            digest: digest.ok_or(Error::Missing { flag: other })?.to_owned(),
        })
    }
}

fn text(word: &OsString) -> Result<&str, Error> {
    word.to_str().ok_or(Error::NotText)
}

/// The reason why the arguments are not those of a verifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// One of them has no value, or is not there.
    #[error("`-{flag}` is missing")]
    Missing {
        /// The flag.
        flag: &'static str,
    },
    /// One of them is not UTF-8.
    #[error("an argument is not UTF-8")]
    NotText,
    /// One of them is there twice.
    #[error("`-{flag}` is given twice")]
    Twice {
        /// The flag.
        flag: &'static str,
    },
    /// One of them is not of the protocol.
    #[error("`{argument}` is not an argument of an image verifier")]
    Unknown {
        /// The argument.
        argument: String,
    },
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        "usage"
    }

    fn help(&self) -> String {
        "write `s3lo -name NAME -digest DIGEST -stdin-media-type TYPE`, as containerd does"
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        let words = line.split(' ').filter(|word| !word.is_empty());
        std::iter::once("s3lo")
            .chain(words)
            .map(Into::into)
            .collect()
    }

    #[test]
    fn each_spelling_of_a_flag_is_read_in_any_order() {
        let request = Request {
            name: "h/a:v1".to_owned(),
            digest: "sha256:0".to_owned(),
        };
        for line in [
            "-name h/a:v1 -digest sha256:0 -stdin-media-type t",
            "-digest sha256:0 -stdin-media-type t -name h/a:v1",
            "--name h/a:v1 --digest=sha256:0 --stdin-media-type=t",
            "-stdin-media-type=t -name=h/a:v1 -digest=sha256:0",
            "-name h/a:v1 -digest sha256:0",
        ] {
            assert!(is_request(&words(line)), "{line}");
            assert_eq!(Request::parse(&words(line)), Ok(request.clone()), "{line}");
        }
        let dash = Request::parse(&words("-name -digest -digest -name")).unwrap();
        assert_eq!(
            (dash.name.as_str(), dash.digest.as_str()),
            ("-digest", "-name")
        );
    }

    #[test]
    fn anything_else_is_refused() {
        let unknown = |argument: &str| Error::Unknown {
            argument: argument.to_owned(),
        };
        for (line, error) in [
            ("-name", Error::Missing { flag: "name" }),
            ("-name h/a:v1", Error::Missing { flag: "digest" }),
            ("-digest sha256:0", Error::Missing { flag: "name" }),
            (
                "-name h/a:v1 -digest sha256:0 -name h/b:v1",
                Error::Twice { flag: "name" },
            ),
            (
                "-name h/a:v1 -digest sha256:0 -policy x",
                unknown("-policy"),
            ),
            ("-name h/a:v1 -digest sha256:0 --", unknown("--")),
            ("-name h/a:v1 -digest sha256:0 more", unknown("more")),
            ("-name h/a:v1 ---digest sha256:0", unknown("---digest")),
        ] {
            assert_eq!(Request::parse(&words(line)), Err(error), "{line}");
        }
        let mut arguments = words("-digest sha256:0 -name");
        arguments.push(OsString::from_vec(vec![0xff]));
        assert_eq!(Request::parse(&arguments), Err(Error::NotText));
    }

    #[test]
    fn a_command_line_is_not_taken_for_a_request() {
        for line in [
            "",
            "sign",
            "-o json",
            "-n x",
            "-",
            "--",
            "--name-of x",
            "verify -name x",
            "-nam x",
        ] {
            assert!(!is_request(&words(line)), "{line}");
        }
    }
}
