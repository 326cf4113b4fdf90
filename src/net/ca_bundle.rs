//! Bundles of trusted certificates, as AWS_CA_BUNDLE names one.
//!
//! The SDK does not read the variable ([aws-sdk-rust#1362](https://github.com/awslabs/aws-sdk-rust/issues/1362)),
//! and its HTTP client panics on PEM that is not a certificate, so each block is parsed here first.

use pem::Pem;
use reqwest::Certificate;
use rustls_pki_types::CertificateDer;

use crate::bounded_file;
use crate::environment;
use crate::environment::variable;
use crate::text::{printable, shown_path};
use s3lo_core::explain::Explain;

/// Trusted certificates, each of which parses.
#[derive(Clone)]
pub(crate) struct Bundle(Vec<Pem>);

impl Bundle {
    /// Reads the file that `variable` names.
    ///
    /// # Errors
    ///
    /// [`Error`] if there is no such file, or it holds no certificate, or one that cannot be parsed.
    pub(crate) fn read(variable: &str, path: &str) -> Result<Self, Error> {
        let text = bounded_file::read(path, MAX_LEN);
        let text = text.map_err(|error| unusable(variable, path, error.to_string()))?;
        Self::parse(variable, path, &text)
    }

    /// Parses PEM from `place`, which `variable` names.
    ///
    /// # Errors
    ///
    /// [`Error`] if it holds anything but certificates.
    pub(crate) fn parse(variable: &str, place: &str, text: &[u8]) -> Result<Self, Error> {
        let unusable = |reason| unusable(variable, place, reason);
        let blocks = pem::parse_many(text).map_err(|_| unusable("it is not PEM".to_owned()))?;
        let Some(first) = blocks.first().map(|block| block.tag().to_owned()) else {
            return Err(unusable("it holds no PEM".to_owned()));
        };
        let mut certificates = Vec::new();
        for (number, block) in (1..).zip(blocks) {
            // As Go and OpenSSL pass over it: a revocation list, a key, OpenSSL's own form.
            if block.tag() != "CERTIFICATE" {
                continue;
            }
            let der = CertificateDer::from(block.contents());
            if webpki::anchor_from_trusted_cert(&der).is_err() {
                return Err(unusable(format!(
                    "its PEM block {number} is not a certificate"
                )));
            }
            certificates.push(block);
        }
        if certificates.is_empty() {
            return Err(unusable(format!(
                "it holds no certificate, and a `{}` first",
                printable(&first)
            )));
        }
        Ok(Self(certificates))
    }

    /// The number of certificates.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The certificates as PEM, encoded anew: another parser may read text between the blocks in its own way.
    pub(crate) fn into_pem(self) -> Vec<u8> {
        pem::encode_many(&self.0).into_bytes()
    }

    /// The certificates for a client.
    pub(crate) fn into_certificates(self) -> impl Iterator<Item = Certificate> {
        // Each was read as a certificate before.
        let der = self.0.into_iter().map(Pem::into_contents);
        der.filter_map(|der| Certificate::from_der(&der).ok())
    }
}

/// The error about a bundle in `place`, which `variable` names.
pub(crate) fn unusable(variable: &str, place: &str, reason: String) -> Error {
    Error::Unusable {
        variable: variable.to_owned(),
        path: shown_path(place).to_owned(),
        reason,
    }
}

/// The bundle that AWS_CA_BUNDLE names.
///
/// # Errors
///
/// [`Error`] if there is no such file, or it holds no certificate, or one that cannot be parsed.
pub(crate) fn from_environment() -> Result<Option<Bundle>, Error> {
    match variable(VARIABLE)? {
        Some(path) => Ok(Some(Bundle::read(VARIABLE, &path)?)),
        None => Ok(None),
    }
}

const VARIABLE: &str = "AWS_CA_BUNDLE";

/// The largest file of certificates, in bytes: four times what all public authorities take.
pub(crate) const MAX_LEN: u64 = 1024 * 1024;

/// The reason why a bundle cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum Error {
    /// A file that is missing or not a bundle.
    #[error("the certificates of {variable}, `{path}`, cannot be used: {reason}")]
    Unusable {
        variable: String,
        path: String,
        reason: String,
    },
    #[error(transparent)]
    Variable(#[from] environment::Error),
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        "configuration"
    }

    fn help(&self) -> String {
        match self {
            Self::Unusable { variable, .. } if variable.ends_with("_BYTES") => {
                format!("let {variable} hold PEM certificates, or unset it to trust the system's")
            }
            Self::Unusable { variable, .. } if variable.ends_with("_CAPATH") => {
                format!("let {variable} name a folder of PEM certificates")
            }
            Self::Unusable { variable, .. } if variable.ends_with("_CLIENT_CERT") => {
                format!("let {variable} name a file of PEM certificates")
            }
            Self::Unusable { variable, .. } => format!(
                "let {variable} name a file of PEM certificates, or unset it to trust the system's"
            ),
            Self::Variable(error) => error.help(),
        }
    }
}
