//! The faults themselves: replacements of an answer, and changes meanwhile.

use std::path::PathBuf;

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use super::fixture::{VaultFixture, record_path, reference};
use crate::support::faults::records::{MOVED, another_record, private_key};
use crate::support::plain_key;
use s3lo_test_servers::aws::Key;
use s3lo_test_servers::http::Reply;
use s3lo_test_servers::vault::{Call, VaultServer, json_answer, vault_errors};

/// The fault of a call.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// A refusal of Vault: a status, and its errors.
    Errors(u16, &'static [&'static str]),
    /// A status and a body, from a proxy in between.
    Page(u16, &'static str),
    /// 429, and when to come back.
    ComeBack(&'static str),
    /// A status that leads to another server.
    Elsewhere(u16),
    /// A status that leads here.
    Here(u16, &'static str),
    /// The answer that is due, and something is another.
    Altered(fn(&mut Value)),
    /// The text of the answer that is due, made another.
    Text(fn(String) -> String),
    /// The signature that is answered instead, made of the call and of what would be right.
    Signature(fn(&Call, &str) -> String),
    /// Something happens, and the call is answered as ever.
    Meanwhile(fn(&Scene)),
    /// The answer that is due, in chunks; the last ones are left out.
    Chunks {
        left_out: usize,
    },
    /// The answer that is due, which only the end of the connection ends.
    Unframed,
    /// Bytes without an end.
    Endless,
    /// As many as its length states, which is 100 MB.
    Huge,
    Half,
    HangUp,
    Silence,
}

impl Fault {
    pub(super) fn reply(&self, scene: &Scene, call: &Call) -> Option<Reply> {
        Some(match self {
            Self::Errors(status, errors) => vault_errors(*status, errors),
            Self::Page(status, body) => {
                Reply::Answer(*status, Vec::new(), body.as_bytes().to_vec())
            }
            Self::ComeBack(when) => vault_errors(429, &[]).header("retry-after", when),
            Self::Elsewhere(status) => {
                redirect(*status, &format!("{}{}", scene.elsewhere, call.path))
            }
            Self::Here(status, location) => redirect(*status, location),
            Self::Altered(alter) => {
                let mut answer = scene.due(call);
                alter(&mut answer);
                json_answer(&answer)
            }
            Self::Text(alter) => {
                let text = alter(scene.due(call).to_string());
                Reply::Answer(200, Vec::new(), text.into_bytes())
            }
            Self::Signature(signature) => {
                let mut answer = scene.due(call);
                let right = answer["data"]["signature"].as_str().unwrap();
                answer["data"]["signature"] = signature(call, right).into();
                json_answer(&answer)
            }
            Self::Meanwhile(happens) => {
                happens(scene);
                return None;
            }
            Self::Chunks { left_out } => {
                let text = scene.due(call).to_string();
                let (first, second) = text.split_at(text.len() / 2);
                let chunks =
                    [first, second, ""].map(|part| format!("{:x}\r\n{part}\r\n", part.len()));
                let sent = chunks[..chunks.len() - left_out].concat();
                Reply::Answer(200, Vec::new(), sent.into_bytes())
                    .header("transfer-encoding", "chunked")
            }
            Self::Unframed => {
                let text = scene.due(call).to_string();
                Reply::Answer(200, Vec::new(), text.into_bytes()).header("connection", "close")
            }
            Self::Endless => Reply::Flood {
                bytes: 1 << 30,
                length: None,
            },
            Self::Huge => Reply::Flood {
                bytes: 100 << 20,
                length: Some(100 << 20),
            },
            Self::Half => Reply::Half,
            Self::HangUp => Reply::HangUp,
            Self::Silence => Reply::Silence,
        })
    }
}

fn redirect(status: u16, location: &str) -> Reply {
    Reply::Answer(status, Vec::new(), Vec::new()).header("location", location)
}

/// The services that a fault can reach.
#[derive(Clone)]
pub(super) struct Scene {
    vault: VaultServer,
    folder: PathBuf,
    elsewhere: String,
}

impl Scene {
    pub(super) fn of(fixture: &VaultFixture) -> Self {
        Self {
            vault: fixture.vault.clone(),
            folder: fixture.sandbox.path().to_owned(),
            elsewhere: fixture.elsewhere.url(),
        }
    }

    /// The answer to a call if nothing is wrong.
    fn due(&self, call: &Call) -> Value {
        match self.vault.due(call) {
            Reply::Answer(200, _, body) => serde_json::from_slice(&body).unwrap(),
            _ => panic!("{call:?} is refused"),
        }
    }

    pub(super) fn rotate_the_key(&self) {
        self.vault.rotate(Key::of_vector("p256-sec1"));
    }

    pub(super) fn move_the_tag(&self) {
        let manifest = self.folder.join("store/manifests/myapp/v1.0/manifest.json");
        std::fs::write(manifest, MOVED).unwrap();
    }

    /// Another signer of the same key was here.
    pub(super) fn store_another_record(&self) {
        self.store(&another_record(&reference()));
    }

    /// Another writer stores an invalid signature.
    pub(super) fn store_a_torn_record(&self) {
        self.store(&another_record(&reference())[..100]);
    }

    fn store(&self, record: &[u8]) {
        let path = self.folder.join(record_path());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, record).unwrap();
    }
}

/// A public key, as Vault shows it.
pub(super) fn public_half(vector: &str) -> Value {
    let spki = Key::of_vector(vector).spki().to_vec();
    pem::encode(&pem::Pem::new("PUBLIC KEY", spki)).into()
}

/// `vault:v1:` and these bytes.
pub(super) fn of_version_1(signature: &[u8]) -> String {
    format!("vault:v1:{}", BASE64_STANDARD.encode(signature))
}

/// The bytes of a right signature.
pub(super) fn bytes_of(right: &str) -> Vec<u8> {
    let (_, encoded) = right.rsplit_once(':').unwrap();
    BASE64_STANDARD.decode(encoded).unwrap()
}

fn input(call: &Call) -> Vec<u8> {
    let input = call.body["input"].as_str().unwrap();
    BASE64_STANDARD.decode(input).unwrap()
}

/// By what is not this version.
pub(super) fn by_another_key(call: &Call) -> Vec<u8> {
    let other = Key::of_vector("p256-sec1");
    other.sign("ECDSA_SHA_256", false, &input(call)).unwrap()
}

pub(super) fn of_another_message() -> Vec<u8> {
    private_key().sign(b"another message").unwrap()
}

/// r and s side by side, as JWS has it.
pub(super) fn as_jws_has_it(call: &Call) -> Vec<u8> {
    let pem = pem::parse(plain_key()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pem.contents()).unwrap();
    let digest = Digest::import_less_safe(&input(call), &SHA256).unwrap();
    pair.sign_digest(&digest).unwrap().as_ref().to_vec()
}

pub(super) fn url_safe(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
