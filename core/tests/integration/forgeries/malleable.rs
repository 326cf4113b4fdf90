//! An ECDSA signature (r, s) has another form, (r, n - s), which verifies as well.

use s3lo_core::crypto::algorithm::KeyType::{P256, P384, P521};
use s3lo_core::crypto::public::PublicKey;

/// The orders of the curves ([SP 800-186 §3.2.1](https://csrc.nist.gov/pubs/sp/800/186/final)).
pub(super) fn order(key: &PublicKey) -> Option<Vec<u8>> {
    let (high, low) = match key.key_type() {
        P256 => (
            "ffffffff00000000ffffffffffffffff",
            "bce6faada7179e84f3b9cac2fc632551",
        ),
        P384 => (
            "ffffffffffffffffffffffffffffffffffffffffffffffff",
            "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        ),
        P521 => (
            "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa",
            "51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
        ),
        _ => return None,
    };
    let hex = format!("{high}{low}");
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    Some((0..hex.len()).step_by(2).map(digit).collect())
}

/// The DER signature with n - s instead of s.
pub(super) fn other_form(der: &[u8], order: &[u8]) -> Vec<u8> {
    let header = if der[1] == 0x81 { 3 } else { 2 };
    let (r, s) = der[header..].split_at(2 + usize::from(der[header + 1]));
    let mut padded = vec![0; order.len().saturating_sub(s.len() - 2)];
    padded.extend(&s[2..]);
    let s = &padded[padded.len() - order.len()..];
    let mut borrow = 0;
    let mut difference = vec![0];
    for (from, what) in order.iter().zip(s).rev() {
        let byte = i16::from(*from) - i16::from(*what) - borrow;
        borrow = i16::from(byte < 0);
        difference.insert(1, byte.rem_euclid(256).to_le_bytes()[0]);
    }
    while difference[0] == 0 && difference[1] < 0x80 {
        difference.remove(0);
    }
    let mut body = r.to_vec();
    body.extend([2, u8::try_from(difference.len()).unwrap()]);
    body.extend(difference);
    let length = u8::try_from(body.len()).unwrap();
    let long = (length >= 0x80).then_some(0x81);
    [0x30]
        .into_iter()
        .chain(long)
        .chain([length])
        .chain(body)
        .collect()
}
