//! The reason why a server gave no usable response.

use std::error::Error;
use std::fmt;

use rustls::{AlertDescription, CertificateError};

use crate::net::error_chain::{find_source, innermost};

/// The reason why there is no usable response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// The innermost error, in words.
    pub reason: String,
    /// The kind of TLS failure, if TLS failed.
    pub tls: Option<TlsFailure>,
}

impl Unreachable {
    /// The reason that an error's sources hold.
    pub(crate) fn from_error(error: &(dyn Error + 'static)) -> Self {
        Self {
            reason: innermost(error),
            tls: find_source(error).and_then(TlsFailure::classify),
        }
    }
}

/// A reason that is not about TLS.
impl From<String> for Unreachable {
    fn from(reason: String) -> Self {
        Self { reason, tls: None }
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// A failure of TLS that has a remedy of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// The server's certificate is that of an authority.
    CaCertificate,
    /// The server refuses the client's certificate, or wants one.
    ClientCertificate,
    /// The server's certificate is invalid for another reason.
    InvalidCertificate,
    /// What the server speaks is not TLS.
    NotTls,
    /// The server's certificate is for another name.
    OtherName,
    /// No trusted authority issued the server's certificate.
    UnknownIssuer,
}

impl TlsFailure {
    fn classify(error: &rustls::Error) -> Option<Self> {
        Some(match error {
            rustls::Error::AlertReceived(
                AlertDescription::BadCertificate
                | AlertDescription::CertificateRequired
                | AlertDescription::UnknownCA,
            ) => Self::ClientCertificate,
            rustls::Error::InvalidCertificate(error) => match error {
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Self::OtherName,
                CertificateError::Other(other)
                    if other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
                {
                    Self::CaCertificate
                }
                CertificateError::UnknownIssuer => Self::UnknownIssuer,
                _ => Self::InvalidCertificate,
            },
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            _ => return None,
        })
    }
}
