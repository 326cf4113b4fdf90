//! Failures of TLS, in words. The TLS library's own messages contain names of its types.

use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};
use s3lo_core::text::clipped;

/// A failure of TLS that has a remedy of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The server's certificate is that of an authority.
    CaCertificate,
    /// The server refuses the client's certificate, or wants one.
    ClientCertificate,
    /// The server's certificate has expired.
    Expired,
    /// The two sides have no version, cipher suite or protocol in common, or one breaks the rules of TLS.
    Handshake,
    /// The server's certificate is invalid for another reason.
    InvalidCertificate,
    /// The server does not speak TLS.
    NotTls,
    /// The server's certificate is not valid yet.
    NotYetValid,
    /// The server's certificate is for these names, and the server was reached by another.
    OtherName(Vec<String>),
    /// No trusted authority issued the server's certificate.
    UnknownIssuer,
    /// An extension or an algorithm of the server's certificate is not supported.
    Unsupported,
}

impl TlsFailure {
    /// Classifies an error of the TLS library, and puts it into words.
    pub(crate) fn of(error: &rustls::Error) -> (Self, String) {
        match error {
            rustls::Error::InvalidCertificate(error) => of_certificate(error),
            rustls::Error::InvalidMessage(_) => (
                Self::NotTls,
                "the server does not speak TLS there".to_owned(),
            ),
            rustls::Error::AlertReceived(alert) => of_alert(*alert),
            rustls::Error::NoCertificatesPresented => (
                Self::InvalidCertificate,
                "the server showed no certificate".to_owned(),
            ),
            rustls::Error::PeerIncompatible(why) => (
                Self::Handshake,
                format!(
                    "the server and this program have no way of TLS in common ({})",
                    words(why)
                ),
            ),
            rustls::Error::PeerMisbehaved(why) => (
                Self::Handshake,
                format!("the server broke the rules of TLS ({})", words(why)),
            ),
            rustls::Error::InappropriateMessage { .. }
            | rustls::Error::InappropriateHandshakeMessage { .. } => (
                Self::Handshake,
                "the server broke the rules of TLS (a message out of order)".to_owned(),
            ),
            rustls::Error::InvalidCertRevocationList(_) => (
                Self::InvalidCertificate,
                "the list of revoked certificates cannot be used".to_owned(),
            ),
            rustls::Error::NoApplicationProtocol => (
                Self::Handshake,
                "the server does not speak HTTP over TLS there".to_owned(),
            ),
            rustls::Error::General(text) => {
                (Self::Handshake, format!("TLS failed ({})", clipped(text)))
            }
            other => (Self::Handshake, format!("TLS failed ({})", words(other))),
        }
    }

    /// Whether the same server gives the same certificate again.
    pub(crate) fn is_permanent(&self) -> bool {
        !matches!(self, Self::Handshake | Self::NotTls)
    }
}

fn of_certificate(error: &CertificateError) -> (TlsFailure, String) {
    let at = |time: UnixTime| {
        // Later years cannot be written.
        let time = Duration::from_secs(time.as_secs().min(253_402_300_799));
        humantime::format_rfc3339_seconds(UNIX_EPOCH + time).to_string()
    };
    match error {
        CertificateError::Expired => (
            TlsFailure::Expired,
            "the server's certificate has expired".to_owned(),
        ),
        CertificateError::ExpiredContext { time, not_after } => (
            TlsFailure::Expired,
            format!(
                "the server's certificate expired at {}; it is {} by this machine's clock",
                at(*not_after),
                at(*time)
            ),
        ),
        CertificateError::NotValidYet => (
            TlsFailure::NotYetValid,
            "the server's certificate is not valid yet".to_owned(),
        ),
        CertificateError::NotValidYetContext { time, not_before } => (
            TlsFailure::NotYetValid,
            format!(
                "the server's certificate is not valid before {}; it is {} by this machine's clock",
                at(*not_before),
                at(*time)
            ),
        ),
        CertificateError::NotValidForName => (
            TlsFailure::OtherName(Vec::new()),
            "the server's certificate is for another name".to_owned(),
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let names = names(presented);
            let expected = expected.to_str();
            let reason = if names.is_empty() {
                format!(
                    "the server's certificate names no host as an alternative name, and so not `{expected}`"
                )
            } else {
                format!(
                    "the server's certificate is for {}, not for `{expected}`",
                    listed(&names)
                )
            };
            (TlsFailure::OtherName(names), reason)
        }
        CertificateError::UnknownIssuer => (
            TlsFailure::UnknownIssuer,
            "no trusted authority issued the server's certificate".to_owned(),
        ),
        CertificateError::UnhandledCriticalExtension => (
            TlsFailure::Unsupported,
            "the server's certificate has a critical extension that is not supported".to_owned(),
        ),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            unsupported_algorithm()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            TlsFailure::InvalidCertificate,
            "the server's certificate is not for servers (its extended key usage lacks serverAuth)"
                .to_owned(),
        ),
        CertificateError::BadSignature => (
            TlsFailure::UnknownIssuer,
            "the server's certificate is not signed by the trusted authority that it names"
                .to_owned(),
        ),
        CertificateError::BadEncoding => (
            TlsFailure::InvalidCertificate,
            "the server's certificate cannot be parsed".to_owned(),
        ),
        CertificateError::Revoked => (
            TlsFailure::InvalidCertificate,
            "the server's certificate is revoked".to_owned(),
        ),
        CertificateError::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
            Some(error) => of_webpki(error),
            None => invalid(&clipped(&other.to_string())),
        },
        other => {
            let name = words(other);
            if name.starts_with("unsupported signature algorithm") {
                return unsupported_algorithm();
            }
            invalid(&name)
        }
    }
}

fn unsupported_algorithm() -> (TlsFailure, String) {
    (
        TlsFailure::Unsupported,
        "the server's certificate is signed by an algorithm that is not supported, such as one with SHA-1".to_owned(),
    )
}

fn of_webpki(error: &webpki::Error) -> (TlsFailure, String) {
    match error {
        webpki::Error::CaUsedAsEndEntity => (
            TlsFailure::CaCertificate,
            "the server's certificate is that of an authority (CA:TRUE), which a server may not present"
                .to_owned(),
        ),
        webpki::Error::UnsupportedCertVersion => (
            TlsFailure::Unsupported,
            "the server's certificate is not of X.509 version 3".to_owned(),
        ),
        webpki::Error::UnsupportedCriticalExtension
        | webpki::Error::UnsupportedNameType
        | webpki::Error::MalformedExtensions
        | webpki::Error::ExtensionValueInvalid => (
            TlsFailure::Unsupported,
            format!(
                "the server's certificate has an extension that is not supported ({})",
                words(error)
            ),
        ),
        other => invalid(&words(other)),
    }
}

fn invalid(what: &str) -> (TlsFailure, String) {
    (
        TlsFailure::InvalidCertificate,
        format!("the server's certificate is not valid ({what})"),
    )
}

fn of_alert(alert: AlertDescription) -> (TlsFailure, String) {
    match alert {
        AlertDescription::BadCertificate
        | AlertDescription::CertificateRequired
        | AlertDescription::UnknownCA => (
            TlsFailure::ClientCertificate,
            "the server requires a client certificate from an authority that it trusts".to_owned(),
        ),
        other => (
            TlsFailure::Handshake,
            format!("the server ended the TLS handshake ({})", words(&other)),
        ),
    }
}

/// The words of a variant's name, as in `NoCipherSuitesInCommon`, without what the variant holds. The library gives the
/// name in no other way.
fn words(variant: &impl std::fmt::Debug) -> String {
    let name = format!("{variant:?}");
    let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next();
    let mut words = String::new();
    let mut last = ' ';
    for c in name.unwrap_or_default().chars() {
        if c.is_ascii_uppercase() && last.is_ascii_lowercase() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
        last = c;
    }
    words
}

/// The hosts in the names of a certificate, which the library writes as `DnsName("a.example")` and `IpAddress(127.0.0.1)`.
fn names(presented: &[String]) -> Vec<String> {
    let host = |name: &String| {
        let inner = name
            .strip_prefix("DnsName(\"")
            .and_then(|rest| rest.strip_suffix("\")"))
            .or_else(|| name.strip_prefix("IpAddress(")?.strip_suffix(')'))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:*".contains(c);
        (!inner.is_empty() && inner.chars().all(plain)).then(|| clipped(inner))
    };
    presented.iter().filter_map(host).take(MAX_NAMES).collect()
}

/// The most names of a certificate that are shown.
const MAX_NAMES: usize = 10;

/// Names in a sentence.
pub(crate) fn listed(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::pki_types::ServerName;
    use rustls::{
        CertRevocationListError, ContentType, EncryptedClientHelloError, HandshakeType,
        InconsistentKeys, InvalidMessage, OtherError, PeerIncompatible, PeerMisbehaved,
    };

    use super::*;

    fn webpki_errors() -> Vec<webpki::Error> {
        use webpki::Error as E;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(1_700_000_000));
        vec![
            E::BadDer,
            E::BadDerTime,
            E::CaUsedAsEndEntity,
            E::CertRevoked,
            E::CrlExpired {
                time,
                next_update: time,
            },
            E::EmptyEkuExtension,
            E::EndEntityUsedAsCa,
            E::ExtensionValueInvalid,
            E::InvalidCertValidity,
            E::InvalidCrlNumber,
            E::InvalidNetworkMaskConstraint,
            E::InvalidSerialNumber,
            E::InvalidCrlSignatureForPublicKey,
            E::InvalidSignatureForPublicKey,
            E::IssuerNotCrlSigner,
            E::MalformedDnsIdentifier,
            E::MalformedExtensions,
            E::MalformedNameConstraint,
            E::MaximumNameConstraintComparisonsExceeded,
            E::MaximumPathBuildCallsExceeded,
            E::MaximumPathDepthExceeded,
            E::MaximumSignatureChecksExceeded,
            E::NameConstraintViolation,
            E::PathLenConstraintViolated,
            E::SignatureAlgorithmMismatch,
            E::UnknownIssuer,
            E::UnknownRevocationStatus,
            E::UnsupportedCertVersion,
            E::UnsupportedCriticalExtension,
            E::UnsupportedCrlIssuingDistributionPoint,
            E::UnsupportedCrlVersion,
            E::UnsupportedDeltaCrl,
            E::UnsupportedIndirectCrl,
            E::UnsupportedNameType,
            E::UnsupportedRevocationReason,
            E::UnsupportedRevocationReasonsPartitioning,
        ]
    }

    fn certificate_errors() -> Vec<CertificateError> {
        use CertificateError as C;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
        let then = UnixTime::since_unix_epoch(Duration::from_secs(1_700_000_000));
        let mut all = vec![
            C::BadEncoding,
            C::Expired,
            C::ExpiredContext {
                time,
                not_after: then,
            },
            C::NotValidYet,
            C::NotValidYetContext {
                time: then,
                not_before: time,
            },
            C::Revoked,
            C::UnhandledCriticalExtension,
            C::UnknownIssuer,
            C::UnknownRevocationStatus,
            C::ExpiredRevocationList,
            C::ExpiredRevocationListContext {
                time,
                next_update: then,
            },
            C::BadSignature,
            C::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id: vec![1],
                supported_algorithms: Vec::new(),
            },
            C::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id: vec![1],
                public_key_algorithm_id: vec![2],
            },
            C::NotValidForName,
            C::NotValidForNameContext {
                expected: ServerName::try_from("kms.example").unwrap(),
                presented: Vec::new(),
            },
            C::NotValidForNameContext {
                expected: ServerName::try_from("kms.example").unwrap(),
                presented: [
                    "DnsName(\"*.a.example\")",
                    "IpAddress(192.0.2.1)",
                    "DirectoryName",
                    "DnsName(\"\u{1b}[31m\")",
                ]
                .map(str::to_owned)
                .to_vec(),
            },
            C::InvalidPurpose,
            C::InvalidOcspResponse,
            C::ApplicationVerificationFailure,
            C::Other(OtherError(Arc::new(std::io::Error::other("no")))),
        ];
        let others = webpki_errors().into_iter();
        all.extend(others.map(|error| C::Other(OtherError(Arc::new(error)))));
        all
    }

    fn errors() -> Vec<rustls::Error> {
        use rustls::Error as E;
        let mut all = vec![
            E::InappropriateMessage {
                expect_types: vec![ContentType::Alert],
                got_type: ContentType::Unknown(9),
            },
            E::InappropriateHandshakeMessage {
                expect_types: vec![HandshakeType::Finished],
                got_type: HandshakeType::ClientHello,
            },
            E::InvalidEncryptedClientHello(EncryptedClientHelloError::NoCompatibleConfig),
            E::InvalidMessage(InvalidMessage::InvalidContentType),
            E::NoCertificatesPresented,
            E::UnsupportedNameType,
            E::DecryptError,
            E::EncryptError,
            E::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
            E::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
            E::PeerMisbehaved(PeerMisbehaved::TooManyRenegotiationRequests),
            E::InvalidCertRevocationList(CertRevocationListError::BadSignature),
            E::General("no".to_owned()),
            E::FailedToGetCurrentTime,
            E::FailedToGetRandomBytes,
            E::HandshakeNotComplete,
            E::PeerSentOversizedRecord,
            E::NoApplicationProtocol,
            E::BadMaxFragmentSize,
            E::InconsistentKeys(InconsistentKeys::KeyMismatch),
            E::Other(OtherError(Arc::new(std::io::Error::other("no")))),
        ];
        all.extend((0..=u8::MAX).map(|code| E::AlertReceived(AlertDescription::from(code))));
        all.extend(certificate_errors().into_iter().map(E::InvalidCertificate));
        all
    }

    #[test]
    fn every_error_of_the_tls_library_is_put_into_words() {
        for error in errors() {
            let (_, reason) = TlsFailure::of(&error);
            for word in reason.split(|c: char| !c.is_ascii_alphanumeric()) {
                let camel = word
                    .as_bytes()
                    .windows(2)
                    .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
                assert!(!camel || word == "serverAuth", "{reason}");
            }
            assert!(!reason.contains(['{', '}', '"', '\u{1b}', '[']), "{reason}");
            assert!(!reason.contains("()"), "{reason}");
        }
    }

    #[test]
    fn a_certificate_is_described_with_its_dates_and_names() {
        let reasons: Vec<_> = certificate_errors()
            .into_iter()
            .map(|error| TlsFailure::of(&rustls::Error::InvalidCertificate(error)).1)
            .collect();
        for wanted in [
            "the server's certificate expired at 2023-11-14T22:13:20Z; it is 2027-01-15T08:00:00Z by this machine's clock",
            "the server's certificate is not valid before 2027-01-15T08:00:00Z; it is 2023-11-14T22:13:20Z by this machine's clock",
            "the server's certificate is for `*.a.example`, `192.0.2.1`, not for `kms.example`",
            "the server's certificate is that of an authority (CA:TRUE), which a server may not present",
        ] {
            assert!(
                reasons.iter().any(|reason| reason == wanted),
                "{wanted}\n{reasons:#?}"
            );
        }
    }
}
