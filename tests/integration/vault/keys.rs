//! Keys in a real Vault: every type, by every name, across rotations.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use s3lo::key::reference::RefError;
use s3lo::key::registry;
use s3lo::key::vault::client::address::Product;
use serde_json::{Value, json};
use test_case::test_matrix;

use crate::aws::kms::openssl_accepts;
use crate::support::aws_fixture::MANIFEST_PATH;
use crate::support::program::{Run, Sandbox};
use crate::support::vault::{ROOT, Vault, vault};
use crate::support::{MANIFEST, files, plain_key};
use s3lo_test_servers::s3::S3Server;

/// Every type that signs, and openssl's name of its hash.
const TYPES: [(&str, &str); 7] = [
    ("ecdsa-p256", "-sha256"),
    ("ecdsa-p384", "-sha384"),
    ("ecdsa-p521", "-sha512"),
    ("ed25519", ""),
    ("rsa-2048", "-sha256"),
    ("rsa-3072", "-sha256"),
    ("rsa-4096", "-sha256"),
];

const IMAGE: &str = "local://./store/myapp:v1.0";
const RECORDS: &str = "store/manifests/myapp/v1.0/signatures";

/// A sandbox with the image, at which the shared Vault is known and everything is allowed.
fn sandbox(product: Product) -> Sandbox {
    at(vault(product))
}

fn at(vault: &Vault) -> Sandbox {
    Sandbox::with_image()
        .with("VAULT_ADDR", &vault.address)
        .with("VAULT_TOKEN", ROOT)
}

/// The names of the records, without their endings: key IDs.
fn records(sandbox: &Sandbox) -> Vec<String> {
    let names = files(&sandbox.file(RECORDS));
    let ids = names.iter().map(|name| name.strip_suffix(".json"));
    ids.map(|id| id.unwrap().to_owned()).collect()
}

fn record(sandbox: &Sandbox, key_id: &str) -> Value {
    let path = sandbox.file(&format!("{RECORDS}/{key_id}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn sign(sandbox: &Sandbox, key: &str) -> Value {
    signed(sandbox.s3lo(&format!("sign {IMAGE} --key {key} -o json")))
}

#[track_caller]
fn signed(run: Run) -> Value {
    run.ends_with(0).json()
}

fn verify(sandbox: &Sandbox, key: &str) -> Run {
    sandbox.s3lo(&format!("verify {IMAGE} --key {key}"))
}

#[track_caller]
fn key_id(signed: &Value) -> String {
    signed["keyID"].as_str().unwrap().to_owned()
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn every_key_type_verifies_through_vault_by_public_key_and_by_openssl(product: Product) {
    for (kind, hash) in TYPES {
        let (sandbox, name) = (sandbox(product), format!("types-{kind}"));
        vault(product).key(&name, kind);
        let key = format!("hashivault://{name}");
        let pem = sandbox.s3lo(&format!("public-key --key {key}"));
        sandbox.write("release.pub", pem.ends_with(0).out);
        for schema in [1, 2] {
            let line = format!(
                "sign {IMAGE} --key {key} --schema-version {schema} --if-signed replace -o json"
            );
            let signed = signed(sandbox.s3lo(&line));
            for key in [key.as_str(), "release.pub"] {
                verify(&sandbox, &format!("{key} --min-schema {schema}")).ends_with(0);
            }
            let record = record(&sandbox, &key_id(&signed));
            assert_eq!(record["keyRef"], key.as_str());
            let digest = signed["digest"].as_str().unwrap();
            let payload = match schema {
                1 => format!("{digest}\n"),
                _ => format!("s3lo-signature-v2\n./store/myapp:v1.0\n{digest}\n"),
            };
            let signature = record["signature"].as_str().unwrap();
            sandbox.write("payload", &payload);
            sandbox.write("signature", BASE64_STANDARD.decode(signature).unwrap());
            assert!(openssl_accepts(sandbox.path(), hash), "{kind}");
            sandbox.write("payload", format!("{payload} "));
            assert!(!openssl_accepts(sandbox.path(), hash), "{kind}");
        }
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn the_public_key_that_is_printed_is_the_one_that_vault_gives(product: Product) {
    for (kind, _) in TYPES {
        let name = format!("printed-{kind}");
        vault(product).key(&name, kind);
        let pem = sandbox(product).s3lo(&format!("public-key --key hashivault://{name}"));
        let (pem, given) = (pem.ends_with(0).out, vault(product).version(&name, 1));
        if kind == "ed25519" {
            // Vault gives the 32 bytes, with which SPKI ends.
            let der = pem::parse(&pem).unwrap().into_contents();
            assert_eq!(BASE64_STANDARD.encode(&der[der.len() - 32..]), given);
        } else {
            assert_eq!(pem.trim(), given.trim());
        }
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_key_is_named_with_its_server_or_without_and_at_a_mount_of_any_depth(product: Product) {
    let (vault, host) = (vault(product), vault(product).host());
    vault.key("named", "ecdsa-p256");
    vault.post("team/a/transit/keys/named", &json!({"type": "ecdsa-p256"}));
    let sandbox = sandbox(product);
    let id = key_id(&sign(&sandbox, "hashivault://named"));
    for key in [
        format!("hashivault://{host}/v1/transit/keys/named"),
        "openbao://named".to_owned(),
        format!("openbao://{host}/v1/transit/keys/named"),
    ] {
        let again = sign(&sandbox, &key);
        assert_eq!(
            (key_id(&again), &again["status"]),
            (id.clone(), &json!("kept"))
        );
    }
    let deep = sign(
        &sandbox,
        &format!("hashivault://{host}/v1/team/a/transit/keys/named"),
    );
    assert_ne!(key_id(&deep), id);
    let by_variable = at(vault).with("TRANSIT_SECRET_ENGINE_PATH", "team/a/transit");
    let again = sign(&by_variable, "hashivault://named");
    assert_eq!(key_id(&again), key_id(&deep));
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_mount_may_have_any_name_that_the_server_takes(product: Product) {
    let vault = vault(product);
    let sandbox = sandbox(product);
    for mount in [
        "team@acme/transit",
        "ci+prod/transit",
        "team~a/transit",
        "eu:1/transit,a=b",
        "~transit",
    ] {
        vault.mount(mount, "transit");
        let body = json!({"type": "ecdsa-p256"});
        vault.post(&format!("{mount}/keys/any-mount"), &body);
        let key = format!("hashivault://{}/v1/{mount}/keys/any-mount", vault.host());
        let id = key_id(&sign(&sandbox, &key));
        verify(&sandbox, &key).ends_with(0);
        let by_variable = at(vault).with("TRANSIT_SECRET_ENGINE_PATH", mount);
        let again = sign(&by_variable, "hashivault://any-mount");
        assert_eq!(key_id(&again), id, "{mount}");
        // The policy that is printed for it is the one that it takes.
        let allowed = at(vault).with("VAULT_TOKEN", &vault.token(&["default"], "5m"));
        let reported = verify(&allowed, &key).ends_with(2).err;
        let policy = reported
            .lines()
            .map(str::trim)
            .find(|line| line.starts_with("path "))
            .unwrap();
        vault.policy("any-mount", policy);
        let allowed = at(vault).with("VAULT_TOKEN", &vault.token(&["any-mount"], "5m"));
        let line = format!("public-key --key {key}");
        allowed.s3lo(&line).ends_with(0);
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn the_variable_supplies_what_the_reference_leaves_out(product: Product) {
    let (vault, host) = (vault(product), vault(product).host());
    vault.key("supplied", "ecdsa-p256");
    let port = host.split_once(':').unwrap().1;
    // Scheme and port.
    sign(
        &sandbox(product),
        "hashivault://127.0.0.1/v1/transit/keys/supplied",
    );
    // The scheme alone.
    let plain = at(vault).with("VAULT_ADDR", "http://127.0.0.1");
    sign(
        &plain,
        &format!("hashivault://127.0.0.1:{port}/v1/transit/keys/supplied"),
    );
    // A flag stands in for the variable, and outranks it.
    let elsewhere = at(vault).with("VAULT_ADDR", "http://127.0.0.1:9");
    let line = format!(
        "sign {IMAGE} --key hashivault://supplied --vault-address {}",
        vault.address
    );
    elsewhere.s3lo(&line).ends_with(0);
    // Without either, the program uses HTTPS, which this server does not speak.
    let unset = sandbox(product)
        .without("VAULT_ADDR")
        .with("VAULT_MAX_RETRIES", "0");
    let line = format!("sign {IMAGE} --key hashivault://{host}/v1/transit/keys/supplied -o json");
    let json = unset.s3lo(&line).ends_with(2).json();
    assert_eq!(json["error"]["code"], "unreachable");
    let message = json["error"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("https://{host}")), "{message}");
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn after_a_rotation_old_signatures_verify_and_new_ones_are_the_new_versions(product: Product) {
    for (kind, _) in TYPES {
        let (sandbox, name) = (sandbox(product), format!("rotated-{kind}"));
        let key = format!("hashivault://{name}");
        vault(product).key(&name, kind);
        let first = key_id(&sign(&sandbox, &key));
        vault(product).rotate(&name);
        verify(&sandbox, &key).ends_with(0);
        let second = sign(&sandbox, &key);
        assert_eq!(second["status"], "signed", "{kind}");
        let second = key_id(&second);
        let mut both = vec![first.clone(), second.clone()];
        both.sort();
        assert_eq!(records(&sandbox), both);
        // The report names the newest one.
        let json = sandbox.s3lo(&format!("verify {IMAGE} --key {key} -o json"));
        assert_eq!(json.ends_with(0).json()["keyID"], second.as_str());
        // Either will do.
        std::fs::remove_file(sandbox.file(&format!("{RECORDS}/{second}.json"))).unwrap();
        verify(&sandbox, &key).ends_with(0);
        // And each by its own public key.
        let pem = sandbox.s3lo(&format!("public-key --key {key}?version=1"));
        sandbox.write("first.pub", pem.ends_with(0).out);
        verify(&sandbox, "first.pub").ends_with(0);
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_version_that_is_named_is_the_only_one(product: Product) {
    let sandbox = sandbox(product);
    vault(product).key("pinned", "ecdsa-p256");
    vault(product).rotate("pinned");
    vault(product).rotate("pinned");
    let second = key_id(&sign(&sandbox, "hashivault://pinned?version=2"));
    assert_eq!(records(&sandbox), [second.as_str()]);
    verify(&sandbox, "hashivault://pinned?version=2").ends_with(0);
    verify(&sandbox, "hashivault://pinned").ends_with(0);
    for other in [1, 3] {
        let run = verify(&sandbox, &format!("hashivault://pinned?version={other}")).ends_with(1);
        let reason = format!("no signature found for key hashivault://pinned?version={other}");
        assert!(run.err.contains(&reason), "{}", run.err);
    }
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_forged_record_of_a_new_version_hides_no_valid_one_of_an_old(product: Product) {
    let sandbox = sandbox(product);
    vault(product).key("hidden", "ecdsa-p256");
    let first = key_id(&sign(&sandbox, "hashivault://hidden"));
    vault(product).rotate("hidden");
    let second = key_id(&sign(&sandbox, "hashivault://hidden"));
    let valid = record(&sandbox, &second).to_string();
    for forged in [
        "{}".to_owned(),
        "x".repeat(100_000),
        record(&sandbox, &first).to_string(),
        valid.replace("signature\":\"M", "signature\":\"N"),
    ] {
        sandbox.write(&format!("{RECORDS}/{second}.json"), forged);
        verify(&sandbox, "hashivault://hidden").ends_with(0);
        // If it is the only one, the reason is reported.
        let run = verify(&sandbox, "hashivault://hidden?version=2").ends_with(1);
        assert!(run.err.contains("✗ Verification FAILED"), "{}", run.err);
    }
    std::fs::remove_file(sandbox.file(&format!("{RECORDS}/{first}.json"))).unwrap();
    let run = verify(&sandbox, "hashivault://hidden").ends_with(1);
    assert!(!run.err.contains("no signature found"), "{}", run.err);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn withheld_versions_do_not_verify_and_are_reported(product: Product) {
    let sandbox = sandbox(product);
    vault(product).key("held-back", "ecdsa-p256");
    sign(&sandbox, "hashivault://held-back");
    vault(product).rotate("held-back");
    vault(product).configure("held-back", &json!({"min_decryption_version": 2}));
    let run = verify(&sandbox, "hashivault://held-back").ends_with(1);
    assert!(
        run.err.contains("versions of this key before 2"),
        "{}",
        run.err
    );
    let json = sandbox.s3lo(&format!(
        "verify {IMAGE} --key hashivault://held-back -o json"
    ));
    let note = json.ends_with(1).json()["note"].to_string();
    assert!(note.contains("min_decryption_version"), "{note}");
    let json = sandbox.s3lo(&format!(
        "verify {IMAGE} --key hashivault://held-back?version=1 -o json"
    ));
    assert_eq!(json.ends_with(2).json()["error"]["code"], "key_version");
    // The remedy in the note works.
    vault(product).configure("held-back", &json!({"min_decryption_version": 1}));
    verify(&sandbox, "hashivault://held-back").ends_with(0);
    // A trimmed version is gone for good.
    sign(&sandbox, "hashivault://held-back");
    vault(product).configure(
        "held-back",
        &json!({"min_decryption_version": 2, "min_encryption_version": 2}),
    );
    vault(product).trim("held-back", 2);
    verify(&sandbox, "hashivault://held-back").ends_with(0);
    verify(&sandbox, "hashivault://held-back?version=1").ends_with(2);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn an_image_without_a_signature_fails_by_any_version(product: Product) {
    let sandbox = sandbox(product);
    vault(product).key("unsigned", "ed25519");
    for _ in 0..40 {
        vault(product).rotate("unsigned");
    }
    let run = verify(&sandbox, "hashivault://unsigned").ends_with(1);
    let reason = "no signature found for key hashivault://unsigned";
    assert!(run.err.contains(reason), "{}", run.err);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn of_many_versions_only_those_that_signed_are_asked_for(product: Product) {
    let s3 = S3Server::start();
    s3.put(MANIFEST_PATH, MANIFEST.as_bytes());
    let sandbox = sandbox(product)
        .with("AWS_ENDPOINT_URL_S3", &s3.endpoint)
        .with("AWS_ACCESS_KEY_ID", "key")
        .with("AWS_SECRET_ACCESS_KEY", "secret");
    vault(product).key("many", "ecdsa-p256");
    sandbox
        .s3lo("sign s3://my-bucket/myapp:v1.0 --key hashivault://many")
        .ends_with(0);
    for _ in 0..40 {
        vault(product).rotate("many");
    }
    let before = s3.requests().len();
    sandbox
        .s3lo("verify s3://my-bucket/myapp:v1.0 --key hashivault://many")
        .ends_with(0);
    // The manifest, the list, and one record.
    assert_eq!(s3.requests().len() - before, 3, "{:?}", s3.requests());
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn keys_of_every_kind_sign_side_by_side(product: Product) {
    let sandbox = sandbox(product);
    vault(product).key("beside", "ecdsa-p384");
    sandbox.write("plain.key", plain_key());
    let keys = "--key hashivault://beside --key plain.key";
    sandbox.s3lo(&format!("sign {IMAGE} {keys}")).ends_with(0);
    sandbox
        .s3lo(&format!("verify {IMAGE} {keys} --require all"))
        .ends_with(0);
    assert_eq!(records(&sandbox).len(), 2);
    // A Vault that cannot be asked hides nothing that another key proves.
    let alone = sandbox.with("VAULT_TOKEN", "wrong");
    alone.s3lo(&format!("verify {IMAGE} {keys}")).ends_with(0);
    let run = alone.s3lo(&format!("verify {IMAGE} {keys} --require all"));
    run.ends_with(2);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_second_run_keeps_the_signature_and_asks_for_no_other(product: Product) {
    // Of its own, to be asked how often it signed.
    let vault = Vault::start(product);
    vault.key("kept", "ecdsa-p256");
    let sandbox = at(&vault);
    let first = sign(&sandbox, "hashivault://kept");
    let id = first["requestID"].as_str().unwrap();
    assert_eq!(id.len(), 36, "{id}");
    // With a token that may not sign, as there is no need to.
    vault.policy(
        "reader",
        r#"path "transit/keys/kept" { capabilities = ["read"] }"#,
    );
    let sandbox = sandbox.with("VAULT_TOKEN", &vault.token(&["reader"], "5m"));
    let again = sign(&sandbox, "hashivault://kept");
    assert_eq!(again["status"], "kept");
    assert_eq!(again["signedAt"], first["signedAt"]);
    assert!(again.get("requestID").is_none());
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn versions_of_one_key_are_one_signer(product: Product) {
    let sandbox = sandbox(product);
    vault(product).key("one-signer", "ecdsa-p256");
    sign(&sandbox, "hashivault://one-signer");
    vault(product).rotate("one-signer");
    sign(&sandbox, "hashivault://one-signer");
    let both = "hashivault://one-signer --key hashivault://one-signer?version=1";
    verify(&sandbox, both).ends_with(0);
    for require in ["2", "all"] {
        let run = verify(&sandbox, &format!("{both} --require {require} -o json"));
        assert_eq!(run.ends_with(2).json()["error"]["code"], "usage");
    }
    // Two keys are two, in the same Vault.
    vault(product).key("another-signer", "ed25519");
    sign(&sandbox, "hashivault://another-signer");
    let two = "hashivault://one-signer --key hashivault://another-signer --require 2";
    verify(&sandbox, two).ends_with(0);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_kept_public_key_of_a_version_is_the_same_signer(product: Product) {
    let sandbox = sandbox(product);
    vault(product).key("kept-version", "ecdsa-p256");
    sign(&sandbox, "hashivault://kept-version");
    let first = sandbox.s3lo("public-key --key hashivault://kept-version");
    sandbox.write("v1.pub", &first.ends_with(0).out);
    vault(product).rotate("kept-version");
    sign(&sandbox, "hashivault://kept-version");
    let second = sandbox.s3lo("public-key --key hashivault://kept-version?version=2");
    sandbox.write("v2.pub", &second.ends_with(0).out);
    for keys in [
        "hashivault://kept-version --key v1.pub",
        "v1.pub --key hashivault://kept-version",
        "hashivault://kept-version?version=2 --key v1.pub",
        "hashivault://kept-version?version=1 --key v2.pub",
        "v1.pub --key v2.pub --key hashivault://kept-version",
    ] {
        verify(&sandbox, &format!("{keys} --require 2")).ends_with(1);
        verify(&sandbox, keys).ends_with(0);
    }
    // Two of different holders are two, and a key that is not named connects nothing.
    vault(product).key("kept-beside", "ed25519");
    sign(&sandbox, "hashivault://kept-beside");
    let two = "v1.pub --key hashivault://kept-version --key hashivault://kept-beside";
    verify(&sandbox, &format!("{two} --require 2")).ends_with(0);
    verify(&sandbox, &format!("{two} --require 3")).ends_with(1);
    // Vault could reveal that both are versions of the third.
    let sandbox = sandbox.with("VAULT_TOKEN", "wrong");
    let three = "v1.pub --key v2.pub --key hashivault://kept-version --require 2";
    verify(&sandbox, three).ends_with(2);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_key_that_was_restored_under_another_name_is_the_same_signer(product: Product) {
    let sandbox = sandbox(product);
    let body = json!({"type": "ecdsa-p256", "exportable": true, "allow_plaintext_backup": true});
    vault(product).post("transit/keys/backed-up", &body);
    sign(&sandbox, "hashivault://backed-up");
    let backup = vault(product).get("transit/backup/backed-up")["data"]["backup"].clone();
    vault(product).post("transit/restore/restored", &json!({"backup": backup}));
    // Each goes on by itself, and both had the first version.
    for key in ["backed-up", "restored"] {
        vault(product).rotate(key);
        sign(&sandbox, &format!("hashivault://{key}"));
    }
    assert_eq!(records(&sandbox).len(), 3);
    let both = "hashivault://backed-up --key hashivault://restored --require";
    verify(&sandbox, &format!("{both} 2")).ends_with(1);
    verify(&sandbox, &format!("{both} 1")).ends_with(0);
}

#[test]
fn a_token_is_no_key_and_a_host_is_no_token() {
    for token in ["hvs.CAESIJ", "hvb.AAAAAQ", "s.DH6GvFkYqzF4giIMyVFvRrIh"] {
        for service in ["hashivault", "openbao"] {
            let refused = registry::parse(&format!("{service}://{token}"));
            assert_eq!(refused, Err(RefError::Secret), "{token}");
        }
    }
    for key in [
        "hashivault://s.vault.example.com/v1/transit/keys/ci-signer",
        "hashivault://hvs.corp.example/v1/transit/keys/ci-signer",
        "openbao://b.example/v1/transit/keys/ci-signer?version=2",
    ] {
        assert!(registry::parse(key).is_ok(), "{key}");
    }
}
