//! The kind of key that a DER encoding has, by its outermost structure. The structures differ, so that the label of a
//! PEM block need not be trusted.

use pkcs1::der::asn1::AnyRef;
use pkcs1::der::{Decode as _, Reader as _, SliceReader, Tag, Tagged as _};

/// A structure of a key in DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// X.509 certificate, or a request for one.
    Certificate,
    /// PKCS #8, encrypted ([RFC 5958 §3](https://www.rfc-editor.org/rfc/rfc5958#section-3)).
    EncryptedPkcs8,
    /// RSA private key ([RFC 8017 §A.1.2](https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.2)).
    Pkcs1,
    /// RSA public key ([RFC 8017 §A.1.1](https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.1)).
    Pkcs1Public,
    /// PKCS #12 ([RFC 7292 §4](https://www.rfc-editor.org/rfc/rfc7292#section-4)).
    Pkcs12,
    /// PKCS #8 ([RFC 5958 §2](https://www.rfc-editor.org/rfc/rfc5958#section-2)).
    Pkcs8,
    /// EC private key ([RFC 5915](https://www.rfc-editor.org/rfc/rfc5915#section-3)).
    Sec1,
    /// Public key of any type ([RFC 5280 §4.1](https://www.rfc-editor.org/rfc/rfc5280#section-4.1)).
    Spki,
}

impl Shape {
    /// The structure of `der`, if it is that of a key.
    pub(crate) fn of(der: &[u8]) -> Option<Self> {
        let outer = AnyRef::from_der(der).ok()?;
        if outer.tag() != Tag::Sequence {
            return None;
        }
        let mut reader = SliceReader::new(outer.value()).ok()?;
        let mut next = || match reader.is_finished() {
            true => Some(None),
            false => AnyRef::decode(&mut reader).ok().map(Some),
        };
        let (first, second, third) = (next()??, next()??, next()?);
        Some(
            match (first.tag(), second.tag(), third.map(|any| any.tag())) {
                (Tag::Integer, Tag::Sequence, _) if first.value() == [3] => Self::Pkcs12,
                (Tag::Integer, Tag::Sequence, Some(Tag::OctetString)) => Self::Pkcs8,
                (Tag::Integer, Tag::OctetString, _) => Self::Sec1,
                (Tag::Integer, Tag::Integer, None) => Self::Pkcs1Public,
                (Tag::Integer, Tag::Integer, Some(Tag::Integer)) => Self::Pkcs1,
                (Tag::Sequence, Tag::BitString, None) => Self::Spki,
                (Tag::Sequence, Tag::OctetString, None) if is_encryption(first.value()) => {
                    Self::EncryptedPkcs8
                }
                (Tag::Sequence, Tag::Sequence, Some(Tag::BitString)) => Self::Certificate,
                _ => return None,
            },
        )
    }

    /// Whether it is that of a private key.
    pub(crate) fn is_private(self) -> bool {
        matches!(
            self,
            Self::EncryptedPkcs8 | Self::Pkcs1 | Self::Pkcs8 | Self::Sec1
        )
    }

    /// Whether it is that of a public key.
    pub(crate) fn is_public(self) -> bool {
        matches!(self, Self::Pkcs1Public | Self::Spki)
    }
}

/// Whether an algorithm is one of PKCS #5 or PKCS #12, which encrypt by a password.
fn is_encryption(algorithm: &[u8]) -> bool {
    matches!(
        algorithm,
        [
            0x06,
            _,
            0x2a,
            0x86,
            0x48,
            0x86,
            0xf7,
            0x0d,
            0x01,
            0x05 | 0x0c,
            ..
        ]
    )
}
