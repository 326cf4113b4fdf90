//! The test server for KMS, STS and GitHub answers as the real services do: without that, no test with it means
//! anything. The clients are the SDK's own.

mod clients;
mod sessions;

use aws_lc_rs::signature::{
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    UnparsedPublicKey,
};
use aws_sdk_kms::types::{KeyUsageType, MessageType, SigningAlgorithmSpec};
use s3lo_core::crypto::public::PublicKey;
use serde_json::json;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use self::clients::{Client, refusal, refused};
use crate::support::vectors;
use s3lo_test_servers::aws::{AwsServer, Credentials, Key, KeyState};

const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const SUBJECT: &str = "repo:acme/app:ref:refs/heads/main";
const PAYLOAD: &[u8] = b"sha256:21d94c4ae81f56d81b98c4468796264cbff924c3fae1fd9e8379120a7d264f31\n";

/// A server with a P-256 key, and a client that may do everything.
fn with_key() -> (AwsServer, Client, String) {
    let server = AwsServer::start();
    let arn = server.add(Key::of_vector("p256-pkcs8"));
    let client = Client::new(&server, &server.user("alice", ALL));
    (server, client, arn)
}

fn stranger() -> Credentials {
    Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret_access_key: "secret".to_owned(),
        session_token: None,
    }
}

#[test]
fn every_key_type_signs_what_its_public_half_verifies() {
    let server = AwsServer::start();
    let client = Client::new(&server, &server.user("alice", ALL));
    for (vector, spec, algorithm) in [
        ("p256-pkcs8", "ECC_NIST_P256", "ECDSA_SHA_256"),
        ("p256-sec1", "ECC_NIST_P256", "ECDSA_SHA_256"),
        ("p384-pkcs8", "ECC_NIST_P384", "ECDSA_SHA_384"),
        ("p521-pkcs8", "ECC_NIST_P521", "ECDSA_SHA_512"),
        ("rsa2048-pkcs8", "RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256"),
        ("rsa3072-pkcs1", "RSA_3072", "RSASSA_PKCS1_V1_5_SHA_256"),
        ("rsa4096-pkcs8", "RSA_4096", "RSASSA_PKCS1_V1_5_SHA_256"),
        ("ed25519-pkcs8", "ECC_NIST_EDWARDS25519", "ED25519_SHA_512"),
    ] {
        let arn = server.add(Key::of_vector(vector));
        let answer = client.public_key(&arn).unwrap();
        assert_eq!(answer.key_id(), Some(arn.as_str()));
        assert_eq!(answer.key_spec().unwrap().as_str(), spec);
        assert_eq!(answer.key_usage(), Some(&KeyUsageType::SignVerify));
        let algorithms = answer.signing_algorithms();
        assert!(algorithms.iter().any(|one| one.as_str() == algorithm));
        let spki = answer.public_key().unwrap().as_ref();
        let file = vectors().join(format!("plain-keys/{vector}.pub"));
        let public = PublicKey::from_pem(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!(spki, public.spki(), "{vector}");
        let raw = client
            .sign(&arn, algorithm, MessageType::Raw, PAYLOAD)
            .unwrap();
        assert!(public.verifies(PAYLOAD, &raw), "{vector}");
        let digest = match algorithm {
            "ED25519_SHA_512" => continue,
            "ECDSA_SHA_384" => Sha384::digest(PAYLOAD).to_vec(),
            "ECDSA_SHA_512" => Sha512::digest(PAYLOAD).to_vec(),
            _ => Sha256::digest(PAYLOAD).to_vec(),
        };
        let signature = client
            .sign(&arn, algorithm, MessageType::Digest, &digest)
            .unwrap();
        assert!(public.verifies(PAYLOAD, &signature), "{vector}");
    }
}

#[test]
fn the_first_algorithm_of_a_list_is_never_the_one_to_take() {
    let (server, client, _) = with_key();
    let rsa = server.add(Key::of_vector("rsa2048-pkcs8"));
    let answer = client.public_key(&rsa).unwrap();
    let first = &answer.signing_algorithms()[0];
    assert_eq!(first, &SigningAlgorithmSpec::RsassaPssSha256);
    // And it signs with the algorithms that it lists.
    let public = PublicKey::from_spki(answer.public_key().unwrap().as_ref()).unwrap();
    let pss: [(&str, &'static RsaParameters, Vec<u8>); 3] = [
        (
            "RSASSA_PSS_SHA_256",
            &RSA_PSS_2048_8192_SHA256,
            Sha256::digest(PAYLOAD).to_vec(),
        ),
        (
            "RSASSA_PSS_SHA_384",
            &RSA_PSS_2048_8192_SHA384,
            Sha384::digest(PAYLOAD).to_vec(),
        ),
        (
            "RSASSA_PSS_SHA_512",
            &RSA_PSS_2048_8192_SHA512,
            Sha512::digest(PAYLOAD).to_vec(),
        ),
    ];
    for (algorithm, parameters, digest) in pss {
        let signature = client
            .sign(&rsa, algorithm, MessageType::Digest, &digest)
            .unwrap();
        assert!(!public.verifies(PAYLOAD, &signature));
        let pss = UnparsedPublicKey::new(parameters, public.spki());
        pss.verify(PAYLOAD, &signature).unwrap();
    }
    let ed25519 = server.add(Key::of_vector("ed25519-pkcs8"));
    let answer = client.public_key(&ed25519).unwrap();
    let (public, first) = (
        answer.public_key().unwrap(),
        &answer.signing_algorithms()[0],
    );
    assert_eq!(first.as_str(), "ED25519_PH_SHA_512");
    let digest = Sha512::digest(PAYLOAD);
    let signature = client
        .sign(&ed25519, first.as_str(), MessageType::Digest, &digest)
        .unwrap();
    let point = public.as_ref()[12..].try_into().unwrap();
    let key = ed25519_dalek::VerifyingKey::from_bytes(&point).unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
    let mut hash = Sha512::new();
    hash.update(PAYLOAD);
    key.verify_prehashed(hash, None, &signature).unwrap();
}

#[test]
fn a_digest_of_the_wrong_length_is_refused() {
    let (server, client, p256) = with_key();
    let ed25519 = server.add(Key::of_vector("ed25519-pkcs8"));
    for length in [31, 33, 48, 64] {
        let digest = vec![7; length];
        let outcome = client.sign(&p256, "ECDSA_SHA_256", MessageType::Digest, &digest);
        let message = refused(outcome, "ValidationException");
        assert_eq!(
            message,
            "Digest is invalid length for algorithm ECDSA_SHA_256."
        );
    }
    for (algorithm, kind, length, code) in [
        (
            "ED25519_SHA_512",
            MessageType::Digest,
            64,
            "ValidationException",
        ),
        (
            "ED25519_PH_SHA_512",
            MessageType::Raw,
            64,
            "ValidationException",
        ),
        (
            "ED25519_PH_SHA_512",
            MessageType::Digest,
            63,
            "ValidationException",
        ),
        (
            "ECDSA_SHA_256",
            MessageType::Digest,
            32,
            "InvalidKeyUsageException",
        ),
        ("ED25519", MessageType::Raw, 64, "ValidationException"),
        (
            "ED25519_SHA_512",
            MessageType::Raw,
            4097,
            "ValidationException",
        ),
    ] {
        let outcome = client.sign(&ed25519, algorithm, kind, &vec![7; length]);
        refused(outcome, code);
    }
}

#[test]
fn a_key_is_known_by_its_id_its_arn_and_its_aliases() {
    let (server, client, arn) = with_key();
    let id = arn.rsplit('/').next().unwrap();
    let alias = server.alias("alias/release", &arn);
    for name in [id, &arn, "alias/release", &alias] {
        assert_eq!(
            client.public_key(name).unwrap().key_id(),
            Some(arn.as_str())
        );
        client.sign_raw(name).unwrap();
    }
    let copies = Key::of_vector("p256-pkcs8").multi_region();
    let id = copies.arn().rsplit('/').next().unwrap().to_owned();
    assert!(id.starts_with("mrk-"));
    server.add(copies.clone());
    let copy = server.add(copies.in_region("eu-west-1"));
    client.sign_raw(&id).unwrap();
    let abroad = Client::in_region(&server, &server.user("bob", ALL), "eu-west-1");
    assert_eq!(
        abroad.public_key(&id).unwrap().key_id(),
        Some(copy.as_str())
    );
}

#[test]
fn a_key_of_elsewhere_is_not_found() {
    let (server, client, arn) = with_key();
    let other = Key::of_vector("p256-pkcs8").of_account("444455556666");
    let other = server.add(other.with_id("1234abcd-12ab-34cd-56ef-1234567890ab"));
    let alias = server.alias("alias/theirs", &other);
    client.sign_raw(&other).unwrap();
    client.sign_raw(&alias).unwrap();
    let abroad = arn.replace("us-east-1", "eu-west-1");
    for (name, code, message) in [
        (
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "NotFoundException",
            "Key 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab' \
             does not exist",
        ),
        (
            "alias/theirs",
            "NotFoundException",
            "Alias arn:aws:kms:us-east-1:111122223333:alias/theirs is not found.",
        ),
        ("key", "NotFoundException", "Invalid keyId 'key'"),
        (&abroad, "NotFoundException", "Invalid arn eu-west-1"),
        (
            "arn:aws:kms:us-east-1",
            "InvalidArnException",
            "arn:aws:kms:us-east-1 is not a valid ARN",
        ),
    ] {
        assert_eq!(refused(client.public_key(name), code), message);
        assert_eq!(refused(client.sign_raw(name), code), message);
    }
}

#[test]
fn an_alias_can_be_repointed_between_two_calls() {
    let (server, client, first) = with_key();
    let second = server.add(Key::of_vector("p256-sec1"));
    server.alias("alias/release", &first);
    let (moving, target) = (server.clone(), second.clone());
    server.fault(move |call| {
        if call.action == "Sign" {
            moving.alias("alias/release", &target);
        }
        None
    });
    let before = client.public_key("alias/release").unwrap();
    assert_eq!(before.key_id(), Some(first.as_str()));
    let signature = client.sign_raw("alias/release").unwrap();
    let key = |of| PublicKey::from_spki(Key::of_vector(of).spki()).unwrap();
    assert!(!key("p256-pkcs8").verifies(PAYLOAD, &signature));
    assert!(key("p256-sec1").verifies(PAYLOAD, &signature));
    assert_eq!(
        client.public_key("alias/release").unwrap().key_id(),
        Some(second.as_str())
    );
}

#[test]
fn a_key_that_is_not_enabled_does_nothing() {
    let (server, client, arn) = with_key();
    for (state, code, words) in [
        (KeyState::Disabled, "DisabledException", "is disabled."),
        (
            KeyState::PendingDeletion,
            "KMSInvalidStateException",
            "is pending deletion.",
        ),
        (
            KeyState::PendingImport,
            "KMSInvalidStateException",
            "is pending import.",
        ),
        (
            KeyState::Creating,
            "KMSInvalidStateException",
            "is creating.",
        ),
    ] {
        server.set_state(&arn, state);
        let message = format!("{arn} {words}");
        assert_eq!(refused(client.public_key(&arn), code), message);
        assert_eq!(refused(client.sign_raw(&arn), code), message);
    }
    server.set_state(&arn, KeyState::Enabled);
    client.sign_raw(&arn).unwrap();
}

#[test]
fn a_key_for_something_else_shows_its_public_half_and_does_not_sign() {
    let (server, client, _) = with_key();
    for (key, usage) in [
        (Key::claiming("ECC_SECG_P256K1"), "SIGN_VERIFY"),
        (Key::claiming("SM2"), "SIGN_VERIFY"),
        (Key::claiming("ML_DSA_44"), "SIGN_VERIFY"),
        (
            Key::of_vector("rsa2048-pkcs8").used_for("ENCRYPT_DECRYPT"),
            "ENCRYPT_DECRYPT",
        ),
        (
            Key::of_vector("p256-pkcs8").used_for("KEY_AGREEMENT"),
            "KEY_AGREEMENT",
        ),
    ] {
        let spki = key.spki().to_vec();
        let arn = server.add(key);
        let answer = client.public_key(&arn).unwrap();
        assert_eq!(answer.public_key().unwrap().as_ref(), spki);
        assert_eq!(answer.key_usage().unwrap().as_str(), usage);
        assert_eq!(
            answer.signing_algorithms().is_empty(),
            usage != "SIGN_VERIFY"
        );
        assert!(client.sign_raw(&arn).is_err());
    }
    for spec in ["SYMMETRIC_DEFAULT", "HMAC_256"] {
        let arn = server.add(Key::claiming(spec));
        refused(client.public_key(&arn), "UnsupportedOperationException");
        refused(client.sign_raw(&arn), "InvalidKeyUsageException");
    }
}

#[test]
fn operations_not_needed_to_sign_are_not_served() {
    let (server, client, arn) = with_key();
    let call = client.kms.describe_key().key_id(&arn).send();
    let outcome = client.runtime.block_on(call).map_err(refusal);
    refused(outcome, "UnknownOperationException");
    assert_eq!(server.calls()[0].action, "DescribeKey");
    let call = client.sts.get_session_token().send();
    let outcome = client.runtime.block_on(call).map_err(refusal);
    refused(outcome, "InvalidAction");
}

#[test]
fn only_the_owner_of_the_secret_is_let_in() {
    let (server, client, arn) = with_key();
    assert_eq!(
        client.identity().unwrap(),
        "arn:aws:iam::111122223333:user/alice"
    );
    let unknown = Client::new(&server, &stranger());
    let message = "The security token included in the request is invalid.";
    assert_eq!(
        refused(unknown.sign_raw(&arn), "UnrecognizedClientException"),
        message
    );
    assert_eq!(refused(unknown.identity(), "InvalidClientTokenId"), message);
    let mut credentials = server.user("bob", ALL);
    Client::new(&server, &credentials).sign_raw(&arn).unwrap();
    credentials.session_token = Some("made up".to_owned());
    let liar = Client::new(&server, &credentials);
    refused(liar.sign_raw(&arn), "UnrecognizedClientException");
    credentials.session_token = None;
    credentials.secret_access_key.push('x');
    let guesser = Client::new(&server, &credentials);
    refused(guesser.sign_raw(&arn), "InvalidSignatureException");
    refused(guesser.identity(), "SignatureDoesNotMatch");
}

#[test]
fn a_policy_decides_who_may_use_which_key_how() {
    let (server, _, arn) = with_key();
    let other = server.add(Key::of_vector("p256-sec1"));
    server.alias("alias/release", &arn);
    server.alias("alias/other", &arn);
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "kms:GetPublicKey", "Resource": [arn]},
        {"Sid": "Sign", "Effect": "Allow", "Action": ["kms:S*"], "Resource": "arn:aws:kms:*:*:key/*",
         "Condition": {
            "StringEquals": {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": ["RAW"]},
            "StringLike": {"kms:RequestAlias": "alias/r?l*"}}},
        {"Effect": "Deny", "Action": "kms:*", "Resource": other},
    ]});
    let client = Client::new(&server, &server.user("bob", &policy.to_string()));
    client.public_key(&arn).unwrap();
    client.sign_raw("alias/release").unwrap();
    let message = refused(client.sign_raw(&arn), "AccessDeniedException");
    assert_eq!(
        message,
        format!(
            "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:Sign on \
             resource: {arn} because no identity-based policy allows the kms:Sign action"
        )
    );
    refused(client.sign_raw("alias/other"), "AccessDeniedException");
    let digest = client.sign(
        "alias/release",
        "ECDSA_SHA_256",
        MessageType::Digest,
        &[0; 32],
    );
    refused(digest, "AccessDeniedException");
    let message = refused(client.public_key(&other), "AccessDeniedException");
    assert!(message.ends_with("with an explicit deny in an identity-based policy"));
    // A caller that may not use a key does not learn whether there is one.
    let message = refused(client.public_key("alias/none"), "AccessDeniedException");
    assert!(message.contains("on this resource because the resource does not exist"));
}
