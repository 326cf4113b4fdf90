//! The certificates of AWS_CA_BUNDLE, checked before anything relies on them: the SDK does not read the
//! variable ([aws-sdk-rust#1362](https://github.com/awslabs/aws-sdk-rust/issues/1362)), and its HTTP
//! client would panic on what is no certificate.

use std::io::Read as _;

use rustls_pki_types::CertificateDer;

use crate::environment::{self, variable};

/// Trusted certificates, each readable.
#[derive(Clone)]
pub(super) struct Bundle(Vec<u8>);

impl Bundle {
    /// As PEM.
    pub(super) fn into_pem(self) -> Vec<u8> {
        self.0
    }
}

/// The bundle that AWS_CA_BUNDLE names.
///
/// # Errors
///
/// [`Error`] if there is no such file, or it is not certificates.
pub(super) fn from_environment() -> Result<Option<Bundle>, Error> {
    let Some(path) = variable(VARIABLE)? else {
        return Ok(None);
    };
    let unusable = |reason: String| Error::Unusable {
        path: path.clone(),
        reason,
    };
    let regular = std::fs::metadata(&path).map(|file| file.is_file());
    match regular {
        Ok(true) => {}
        // A pipe that nobody writes to would hold up the run for ever.
        Ok(false) => return Err(unusable("it is not a regular file".to_owned())),
        Err(error) => return Err(unusable(error.to_string())),
    }
    let mut text = Vec::new();
    std::fs::File::open(&path)
        .and_then(|file| file.take(MOST.saturating_add(1)).read_to_end(&mut text))
        .map_err(|error| unusable(error.to_string()))?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MOST) {
        return Err(unusable(format!("it is larger than {MOST} bytes")));
    }
    let blocks = pem::parse_many(&text).map_err(|_| unusable("it is not PEM".to_owned()))?;
    if blocks.is_empty() {
        return Err(unusable("it holds no PEM".to_owned()));
    }
    let mut certificates = Vec::with_capacity(blocks.len());
    for (number, block) in (1..).zip(blocks) {
        if block.tag() != "CERTIFICATE" {
            return Err(unusable(format!(
                "its PEM block {number} is a `{}`",
                block.tag().escape_debug()
            )));
        }
        let der = CertificateDer::from(block.contents());
        if webpki::anchor_from_trusted_cert(&der).is_err() {
            return Err(unusable(format!(
                "its PEM block {number} is not a certificate"
            )));
        }
        certificates.push(block);
    }
    // Written anew: what stood between the blocks may read differently to somebody else.
    Ok(Some(Bundle(pem::encode_many(&certificates).into_bytes())))
}

const VARIABLE: &str = "AWS_CA_BUNDLE";

/// Four times what all public authorities together take, in bytes.
const MOST: u64 = 1024 * 1024;

/// Why the bundle cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is missing or no bundle.
    #[error("the certificates of {VARIABLE}, `{path}`, cannot be used: {reason}")]
    Unusable {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The variable is no text.
    #[error(transparent)]
    Variable(#[from] environment::Error),
}
