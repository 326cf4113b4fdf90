//! Many signers, many images, many keys.

use crate::store::conformance::{make_bucket, wait_for};
use crate::support::minio::{self, minio};
use crate::support::program::{Run, Sandbox, finish};
use crate::support::{KEYS, MANIFEST, files, password};

const SIGNERS: usize = 64;

/// All of them at once; every one must succeed.
fn sign_together(sandbox: &Sandbox, arguments: &[&str]) -> Vec<Run> {
    let children: Vec<_> = (0..SIGNERS).map(|_| sandbox.start(arguments)).collect();
    let runs = children.into_iter().map(finish);
    runs.map(|run| run.ends_with(0)).collect()
}

#[test]
fn sixty_four_signers_of_one_image_leave_one_valid_record_in_a_directory() {
    for mode in ["keep", "replace"] {
        let sandbox = Sandbox::with_image();
        sandbox.write("plain.key", crate::support::plain_key());
        let reference = "local://./store/myapp:v1.0";
        let runs = sign_together(
            &sandbox,
            &["sign", reference, "--key", "plain.key", "--if-signed", mode],
        );
        assert_eq!(runs.len(), SIGNERS);
        assert_eq!(
            files(&sandbox.file("store/manifests/myapp/v1.0/signatures")).len(),
            1
        );
        sandbox
            .s3lo(&format!("verify {reference} --key plain.key"))
            .ends_with(0);
    }
}

#[test]
fn sixty_four_signers_of_one_image_leave_one_valid_record_on_minio() {
    wait_for(async {
        make_bucket("together").await;
    });
    let sandbox = Sandbox::new()
        .with("AWS_ACCESS_KEY_ID", minio::USER)
        .with("AWS_SECRET_ACCESS_KEY", minio::PASSWORD);
    sandbox.write("plain.key", crate::support::plain_key());
    let endpoint = &minio().endpoint;
    let store = crate::store::conformance::store("together", endpoint);
    wait_for(async {
        use s3lo::store::Store as _;
        store
            .create("manifests/myapp/v1.0/manifest.json", MANIFEST.as_bytes())
            .await
            .unwrap();
    });
    let reference = "s3://together/myapp:v1.0";
    sign_together(
        &sandbox,
        &[
            "sign",
            reference,
            "--key",
            "plain.key",
            "--endpoint",
            endpoint,
        ],
    );
    let names = wait_for(async {
        use s3lo::store::Store as _;
        store
            .list("manifests/myapp/v1.0/signatures/")
            .await
            .unwrap()
            .objects
    });
    assert_eq!(names.len(), 1, "{names:?}");
    sandbox
        .s3lo(&format!(
            "verify {reference} --key plain.key --endpoint {endpoint}"
        ))
        .ends_with(0);
}

#[test]
fn under_fail_one_of_many_signers_wins() {
    let sandbox = Sandbox::with_image();
    sandbox.write("plain.key", crate::support::plain_key());
    let reference = "local://./store/myapp:v1.0";
    let arguments = [
        "sign",
        reference,
        "--key",
        "plain.key",
        "--if-signed",
        "fail",
    ];
    let children: Vec<_> = (0..SIGNERS).map(|_| sandbox.start(&arguments)).collect();
    let codes: Vec<_> = children
        .into_iter()
        .map(|child| finish(child).code.unwrap())
        .collect();
    let won = codes.iter().filter(|code| **code == 0).count();
    let lost = codes.iter().filter(|code| **code == 1).count();
    assert_eq!((won, lost), (1, SIGNERS - 1), "{codes:?}");
    sandbox
        .s3lo(&format!("verify {reference} --key plain.key"))
        .ends_with(0);
}

#[test]
fn three_hundred_images_are_signed_and_verified_in_one_run_in_their_order() {
    let sandbox = Sandbox::new();
    let tags: Vec<_> = (0..300).map(|number| format!("t{number:03}")).collect();
    for tag in &tags {
        sandbox.push("myapp", tag, MANIFEST);
    }
    let mut arguments = vec!["sign".to_owned()];
    arguments.extend(
        tags.iter()
            .map(|tag| format!("local://./store/myapp:{tag}")),
    );
    arguments.extend(["--key", "keys/cosign.key", "-o", "json"].map(str::to_owned));
    let run = sandbox.run(&arguments).ends_with(0);
    let json = run.json();
    let refs: Vec<_> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|element| element["ref"].as_str().unwrap())
        .collect();
    assert!(
        refs.iter()
            .zip(&tags)
            .all(|(reference, tag)| reference.ends_with(tag.as_str()))
    );
    assert_eq!(refs.len(), tags.len());
    arguments[0] = "verify".to_owned();
    sandbox.run(&arguments).ends_with(0);
    // As text, each image has its lines, in the order asked.
    let text: Vec<_> = arguments
        .iter()
        .filter(|argument| !["-o", "json"].contains(&argument.as_str()))
        .collect();
    let run = sandbox.run(&text).ends_with(0);
    let shown: Vec<_> = run
        .out
        .lines()
        .filter_map(|line| line.strip_prefix("✓ Verified local://./store/myapp:"))
        .collect();
    assert_eq!(shown, tags);
}

#[test]
fn eleven_keys_sign_one_image_in_one_run() {
    let sandbox = Sandbox::with_image();
    let keys: Vec<_> = KEYS
        .iter()
        .filter(|key| password(key) == "secret")
        .collect();
    let arguments = |command: &str, ending: &str| {
        let mut line = format!("{command} local://./store/myapp:v1.0 -o json");
        for key in &keys {
            line.push_str(&format!(" --key keys/{key}.{ending}"));
        }
        line
    };
    let signed = sandbox.s3lo(&arguments("sign", "key")).ends_with(0).json();
    assert_eq!(signed.as_array().unwrap().len(), keys.len());
    let verified = sandbox
        .s3lo(&(arguments("verify", "pub") + " --require all"))
        .ends_with(0)
        .json();
    assert_eq!(
        verified[0]["signatures"].as_array().unwrap().len(),
        keys.len()
    );
}
