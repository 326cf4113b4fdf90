//! Ways round a rule, and what a policy must not say or need.

use std::fs;

use super::{FILE, IMAGE, policy, requires, sandbox, sign, signed_by, verify};
use crate::support::program::Sandbox;

const DIGEST: &str = "sha256:6b4dd3fa1ce5e3a7e4de1ea1e3d1a7fc57d5d0ab0a1ac0cd6d5a0ffa27a6a0d5";

/// A manifest that is not to be deployed is not to be deployed as a platform of an index either, whatever the fields that
/// name it are called.
#[test]
fn a_denied_manifest_is_refused_as_a_part_of_another() {
    let denied = requires("{ any = [\"ci\"] }") + &format!("deny-digests = [\"{DIGEST}\"]\n");
    let index = |manifests: &str| {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":{manifests}}}"#
        )
    };
    let escaped = DIGEST.replace("sha", r"\u0073ha");
    let other = DIGEST.replace('6', "7");
    for (manifests, code) in [
        (format!(r#"[{{"digest":"{DIGEST}"}}]"#), 1),
        (
            format!(r#"[{{"digest":"{other}"}},{{"Digest":"{DIGEST}"}}]"#),
            1,
        ),
        (
            format!(r#"[{{"digest":"{DIGEST}","digest":"{other}"}}]"#),
            1,
        ),
        (format!(r#"[{{"digest":"{escaped}"}}]"#), 1),
        (format!(r#"[{{"digest":"{other}"}}]"#), 0),
    ] {
        let sandbox = sandbox(&denied);
        sandbox.push("myapp", "v1.0", &index(&manifests));
        sign(&sandbox, &["ci"]);
        let run = verify(&sandbox).ends_with(code);
        assert_eq!(run.err.contains("`deny-digests`"), code == 1, "{manifests}");
    }
}

/// A manifest that is too deep to be looked at is not taken for one that names nothing.
#[test]
fn a_manifest_that_cannot_be_looked_through_is_refused() {
    let denied = requires("{ any = [\"ci\"] }") + &format!("deny-digests = [\"{DIGEST}\"]\n");
    let sandbox = sandbox(&denied);
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    let manifest = format!(r#"{{"schemaVersion":2,"config":{{}},"layers":[],"x":{deep}}}"#);
    sandbox.push("myapp", "v1.0", &manifest);
    sign(&sandbox, &["ci"]);
    let run = verify(&sandbox).ends_with(1);
    assert!(run.err.contains("malformed manifest"), "{}", run.err);
}

const ELSEWHERE: &str = "[[rules]]\nimages = [\"local://**\"]\nrequire = [{ any = [\"ci\"] }]\n\
                         [[rules]]\nimages = [\"s3://evil/**\"]\ndeny = \"not ours\"\n";

/// An image that is refused for its name is refused without credentials, a region or an answer.
#[test]
fn a_refusal_for_the_name_alone_needs_no_credentials() {
    let sandbox = signed_by(&["ci"], &policy(ELSEWHERE))
        .with("AWS_EC2_METADATA_DISABLED", "true")
        .with("AWS_REGION", "eu-central-1");
    for image in ["s3://evil/app:v1", "s3://unlisted/app:v1"] {
        let line = format!("verify {image} --policy {FILE}");
        let run = sandbox.s3lo(&line).ends_with(1);
        assert!(run.err.contains("Verification FAILED"), "{}", run.err);
    }
}

/// Nor is the refusal hidden by an error about another image.
#[test]
fn an_error_does_not_hide_a_refusal_for_the_name_alone() {
    let rules = ELSEWHERE.replace("local://**", "s3://prod/**");
    let sandbox = sandbox(&policy(&rules))
        .with("AWS_EC2_METADATA_DISABLED", "true")
        .with("AWS_REGION", "eu-central-1");
    let line = format!("verify s3://evil/app:v1 s3://prod/app:v1 --policy {FILE}");
    let run = sandbox.s3lo(&line).ends_with(1);
    assert!(
        run.err.contains("not verified: s3://evil/app:v1"),
        "{}",
        run.err
    );
}

#[test]
fn no_error_repeats_what_may_be_a_secret() {
    let secret = "S3cretS3cretS3cret";
    let with_key = |public: &str, more: &str| {
        let rules = "[[rules]]\nimages = [\"**\"]\nrequire = [{ any = [\"ci\"] }]\n";
        format!("version = 1\n[keys.ci]\npublic = {public:?}\n{more}{rules}")
    };
    let der = format!("MIGHAgEAMBMGByqGSM49{secret}{}", "A".repeat(100));
    for text in [
        with_key(&format!("https://user:{secret}@vault.example/x"), ""),
        with_key(
            &format!("hashivault://user:{secret}@vault.example/v1/transit/keys/ci"),
            "allow-remote = true\nrevoked = \"lost\"\n",
        ),
        with_key(
            &format!("hashivault://user:{secret}@vault.example/v1/transit/keys/ci"),
            "allow-remote = true\n",
        ),
        with_key(&format!("{}\n", der), ""),
        with_key(&format!("/{der}"), ""),
    ] {
        let run = verify(&sandbox(&text)).ends_with(2);
        assert!(!run.err.contains(secret), "{text}\n{}", run.err);
    }
    let sandbox = sandbox(&requires("{ any = [\"ci\"] }"));
    for file in [
        format!("env://{secret}+/="),
        format!("pkcs11:token=a?pin-value={secret}"),
        format!("https://user:{secret}@example.com/policy"),
    ] {
        let run = sandbox
            .run(&["verify", IMAGE, "--policy", &file])
            .ends_with(2);
        assert!(!run.err.contains(secret), "{file}\n{}", run.err);
    }
}

/// Without HOME the SDK takes `~` for a folder below the working directory, which may be a checkout of others.
#[test]
fn without_a_home_no_profile_of_the_working_directory_is_read() {
    let sandbox = Sandbox::with_image()
        .with("AWS_EC2_METADATA_DISABLED", "true")
        .with("AWS_REGION", "eu-central-1");
    let mark = sandbox.file("ran");
    let process = format!("[default]\ncredential_process = touch {}\n", mark.display());
    sandbox.write("~/.aws/config", &process);
    sandbox.write("~/.aws/credentials", &process);
    let run = sandbox
        .s3lo("verify s3://prod/app:v1 --key keys/cosign.pub")
        .ends_with(2);
    assert!(run.err.contains("error[no_credentials]"), "{}", run.err);
    assert!(fs::metadata(mark).is_err(), "{}", run.err);
}
