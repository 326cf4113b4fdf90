//! Keys of a policy in KMS and in Vault.

use s3lo::key::vault::client::address::Product;
use s3lo_test_servers::aws::{Key, kms_error};
use test_case::test_matrix;

use super::{FILE, IMAGE, matches_snapshot, policy};
use crate::support::aws_fixture::{AwsFixture, SIGN};
use crate::support::program::{Run, Sandbox};
use crate::support::vault::{ROOT, vault};

const OF_S3: &str = "s3://my-bucket/myapp:v1.0";

/// A policy with two keys in KMS beside those in files, and these rules.
fn kms_policy(rules: &str) -> String {
    let keys = ["release-signer", "other-signer"].map(|alias| {
        format!("[keys.{alias}]\npublic = \"awskms:///alias/{alias}\"\nallow-remote = true\n")
    });
    policy(&format!("{}{rules}", keys.concat()))
}

fn requires(require: &str) -> String {
    kms_policy(&format!(
        "[[rules]]\nimages = [\"**\"]\nrequire = [{require}]\n"
    ))
}

/// An account with both keys and the image, which the first of them has signed.
fn account() -> AwsFixture {
    let aws = AwsFixture::with_key(Key::of_vector("p521-pkcs8"));
    let other = aws.server.add(Key::of_vector("rsa3072-pkcs8"));
    aws.server.alias("alias/other-signer", &other);
    copy_keys(&aws.sandbox);
    aws.s3lo(&format!("{SIGN} --schema-version 2")).ends_with(0);
    aws
}

/// Adds the keys in files.
fn copy_keys(sandbox: &Sandbox) {
    let keys = super::sandbox("");
    crate::support::copy(&keys.file("gate"), &sandbox.file("gate"));
    for name in ["ci", "qa"] {
        let key = std::fs::read(keys.file(&format!("{name}.key"))).unwrap();
        sandbox.write(&format!("{name}.key"), key);
    }
}

/// The keys that KMS is asked for while the image is verified, and the run.
fn asked(aws: &AwsFixture, policy: &str, image: &str) -> (Vec<String>, Run) {
    aws.sandbox.write(FILE, policy);
    let before = aws.calls().len();
    let run = aws.s3lo(&format!("verify {image} --policy {FILE}"));
    let calls = aws.calls().split_off(before);
    let names = calls.into_iter().map(|call| {
        assert_eq!(call.action, "GetPublicKey");
        call.key_id.unwrap()
    });
    (names.collect(), run)
}

#[test]
fn a_key_in_kms_is_asked_for_where_the_rule_of_the_image_needs_it() {
    let aws = account();
    let rules = |first: &str, second: &str| {
        kms_policy(&format!(
            "[[rules]]\nimages = [\"s3://my-bucket/*\"]\nrequire = [{first}]\n\
             [[rules]]\nimages = [\"**\"]\nrequire = [{second}]\n"
        ))
    };
    let [release, other, file] =
        ["release-signer", "other-signer", "ci"].map(|name| format!("{{ any = [\"{name}\"] }}"));
    let (names, run) = asked(&aws, &rules(&release, &other), OF_S3);
    let run = run.ends_with(0);
    assert_eq!(names, ["alias/release-signer"]);
    matches_snapshot("by_kms", &run.out);
    let (names, run) = asked(&aws, &rules(&other, &release), OF_S3);
    run.ends_with(1);
    assert_eq!(names, ["alias/other-signer"]);
    let (names, run) = asked(&aws, &rules(&file, &release), OF_S3);
    run.ends_with(1);
    assert_eq!(names, [""; 0]);
    // Two images, one key: it is asked for once.
    let two = format!("{OF_S3} s3://my-bucket/web:v1");
    let (names, run) = asked(&aws, &rules(&release, &other), &two);
    run.ends_with(2);
    assert_eq!(names, ["alias/release-signer"]);
    // No rule, and a rule that refuses, need no key.
    let denied = rules(&release, &other).replace(
        &format!("images = [\"s3://my-bucket/*\"]\nrequire = [{release}]"),
        "images = [\"s3://my-bucket/*\"]\ndeny = \"no\"",
    );
    let (names, run) = asked(&aws, &denied, OF_S3);
    run.ends_with(1);
    assert_eq!(names, [""; 0]);
}

#[test]
fn a_key_under_two_names_is_one_key() {
    let aws = account();
    let again = "[keys.again]\npublic = \"awskms:///alias/again\"\nallow-remote = true\n[[rules]]";
    aws.server.alias("alias/again", &aws.key);
    let text = requires("{ at-least = 2, of = [\"release-signer\", \"again\"] }");
    let (_, run) = asked(&aws, &text.replacen("[[rules]]", again, 1), OF_S3);
    run.ends_with(1);
    // Where both names are the same, the file has a mistake.
    let again = again.replace("alias/again", "alias/release-signer");
    let (names, run) = asked(&aws, &text.replacen("[[rules]]", &again, 1), OF_S3);
    let run = run.ends_with(2);
    assert!(run.err.contains("[bad_policy]"), "{}", run.err);
    assert_eq!(names, [""; 0]);
    // In a list that can be met, nothing is said of it.
    let any = requires("{ any = [\"release-signer\", \"again\"] }");
    let (names, run) = asked(&aws, &any.replacen("[[rules]]", &again, 1), OF_S3);
    let run = run.ends_with(0);
    assert_eq!((names.len(), run.err.as_str()), (1, ""), "{names:?}");
}

#[test]
fn a_service_that_fails_matters_only_where_it_decides() {
    let aws = account();
    let sign = format!("sign {OF_S3} --key ci.key --schema-version 2");
    aws.s3lo(&sign).ends_with(0);
    aws.server.fault(|call| {
        let fails = call.key_id.as_deref() == Some("alias/other-signer");
        fails.then(|| kms_error(400, "AccessDeniedException", "no"))
    });
    let mut page = String::new();
    for (require, code) in [
        ("{ any = [\"release-signer\", \"other-signer\"] }", 0),
        (
            "{ at-least = 2, of = [\"ci\", \"release-signer\", \"other-signer\"] }",
            0,
        ),
        ("{ all = [\"ci\", \"other-signer\"] }", 2),
        ("{ any = [\"ci\"] }, { any = [\"other-signer\"] }", 2),
        ("{ any = [\"qa\", \"other-signer\"] }", 2),
        ("{ all = [\"qa\", \"other-signer\"] }", 1),
        ("{ any = [\"qa\"] }, { any = [\"other-signer\"] }", 1),
        ("{ any = [\"other-signer\"] }, { any = [\"qa\"] }", 1),
    ] {
        let (_, run) = asked(&aws, &requires(require), OF_S3);
        page += &format!("# {require}\n{}\n", super::shown(&run.ends_with(code)));
        let line = format!("verify {OF_S3} --policy {FILE} -o json");
        let json = aws.s3lo(&line).ends_with(code).json();
        let requirements = json["requirements"].as_array().unwrap();
        let met = requirements.iter().all(|one| one["satisfied"] == true);
        assert_eq!(met, code == 0, "{json:#}");
    }
    matches_snapshot("failing_service", &page);
}

/// A sandbox that knows the shared Vault, with the keys in files.
fn at_vault(product: Product) -> Sandbox {
    let sandbox = Sandbox::with_image()
        .with("VAULT_ADDR", &vault(product).address)
        .with("VAULT_TOKEN", ROOT);
    copy_keys(&sandbox);
    sandbox
}

/// A Vault's key of this name with two versions, and the first one's public key as `gate/keys/v1.pub`. The image is signed
/// by the first version, and by the second where it is asked for.
fn with_two_versions(product: Product, name: &str, second: bool) -> Sandbox {
    let (sandbox, key) = (at_vault(product), format!("hashivault://{name}"));
    vault(product).key(name, "ecdsa-p256");
    let sign = format!("sign {IMAGE} --key {key} --schema-version 2");
    sandbox.s3lo(&sign).ends_with(0);
    let first = sandbox
        .s3lo(&format!("public-key --key {key}"))
        .ends_with(0);
    sandbox.write("gate/keys/v1.pub", first.out);
    vault(product).rotate(name);
    if second {
        sandbox.s3lo(&sign).ends_with(0);
    }
    sandbox
}

fn vault_policy(name: &str, more: &str, require: &str) -> String {
    policy(&format!(
        "[keys.vault]\npublic = \"hashivault://{name}\"\nallow-remote = true\n\
         [keys.v1]\npublic = \"keys/v1.pub\"\n{more}\
         [[rules]]\nimages = [\"**\"]\nrequire = [{require}]\n"
    ))
}

fn verified(sandbox: &Sandbox, policy: &str) -> Run {
    sandbox.write(FILE, policy);
    super::verify(sandbox)
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn versions_of_a_key_in_vault_count_once(product: Product) {
    let name = "policy-versions";
    let sandbox = with_two_versions(product, name, true);
    let with = |require: &str| verified(&sandbox, &vault_policy(name, "", require));
    with("{ any = [\"vault\"] }").ends_with(0);
    with("{ all = [\"vault\", \"v1\"] }").ends_with(0);
    with("{ at-least = 2, of = [\"vault\", \"v1\"] }").ends_with(1);
    with("{ at-least = 2, of = [\"v1\", \"vault\", \"ci\"] }").ends_with(1);
    let sign = format!("sign {IMAGE} --key ci.key --schema-version 2");
    sandbox.s3lo(&sign).ends_with(0);
    with("{ at-least = 2, of = [\"v1\", \"vault\", \"ci\"] }").ends_with(0);
    with("{ at-least = 3, of = [\"v1\", \"vault\", \"ci\"] }").ends_with(1);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_version_that_is_revoked_by_its_public_key_does_not_count(product: Product) {
    let name = "policy-revoked";
    let sandbox = with_two_versions(product, name, false);
    let any = "{ any = [\"vault\"] }";
    verified(&sandbox, &vault_policy(name, "", any)).ends_with(0);
    for line in [
        "revoked = \"leaked\"\n",
        "not-after = 2020-01-31T00:00:00Z\n",
    ] {
        let run = verified(&sandbox, &vault_policy(name, line, any)).ends_with(1);
        let expected = ["is revoked: leaked", "expired on 2020-01-31"];
        assert!(
            expected.iter().any(|text| run.err.contains(text)),
            "{}",
            run.err
        );
    }
    let sign = format!("sign {IMAGE} --key hashivault://{name} --schema-version 2");
    sandbox.s3lo(&sign).ends_with(0);
    verified(&sandbox, &vault_policy(name, "revoked = \"leaked\"\n", any)).ends_with(0);
}

#[test_matrix([Product::Vault, Product::OpenBao])]
fn a_vault_that_refuses_decides_nothing(product: Product) {
    let name = "policy-refused";
    let sandbox = with_two_versions(product, name, true).with("VAULT_TOKEN", "wrong");
    let with = |require: &str| verified(&sandbox, &vault_policy(name, "", require));
    with("{ any = [\"v1\", \"vault\"] }").ends_with(0);
    with("{ any = [\"vault\"] }").ends_with(2);
    with("{ all = [\"vault\", \"ci\"] }").ends_with(1);
    // It could show that both are versions of one key.
    let sign = format!("sign {IMAGE} --key ci.key --schema-version 2");
    sandbox.s3lo(&sign).ends_with(0);
    with("{ at-least = 2, of = [\"v1\", \"ci\", \"vault\"] }").ends_with(2);
    with("{ at-least = 2, of = [\"v1\", \"ci\"] }").ends_with(0);
}
