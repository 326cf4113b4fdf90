//! A P-256 key, which KMS and Vault hold alike.

use std::error::Error;

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(crate) struct Key {
    pair: EcdsaKeyPair,
    /// The public half, in base64.
    pub(crate) public: String,
}

impl Key {
    pub(crate) fn generate() -> Result<Self, Box<dyn Error>> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
        let public = STANDARD.encode(der.as_ref());
        Ok(Self { pair, public })
    }

    pub(crate) fn public_pem(&self) -> String {
        let (first, second) = self.public.split_at(64);
        format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n")
    }

    /// The signature of a SHA-256 digest, both in base64; nothing if it is none.
    pub(crate) fn sign(&self, digest: &str) -> Option<String> {
        let bytes = STANDARD.decode(digest).ok()?;
        let digest = Digest::import_less_safe(&bytes, &SHA256).ok()?;
        let signature = self.pair.sign_digest(&digest).ok()?;
        Some(STANDARD.encode(signature.as_ref()))
    }
}
