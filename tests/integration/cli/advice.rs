//! Advice for references and keys that are a little off: it works when it is followed.

use std::path::Path;

use crate::support::MANIFEST;
use crate::support::program::{Run, Sandbox};

/// A sandbox with `myapp:v1.0`, signed, in the store `store` of a folder.
fn signed_below(folder: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("plain.key", crate::support::plain_key());
    let manifest = Path::new(folder).join("store/manifests/myapp/v1.0/manifest.json");
    sandbox.write(manifest.to_str().unwrap(), MANIFEST);
    let key = sandbox.file("plain.key");
    let line = [
        "sign",
        "local://./store/myapp:v1.0",
        "--key",
        key.to_str().unwrap(),
    ];
    let mut sign = sandbox.command(&line);
    sign.current_dir(sandbox.file(folder));
    assert!(sign.output().unwrap().status.success());
    sandbox
}

/// The text between two marks in the help of a run.
#[track_caller]
fn between<'a>(run: &'a Run, before: &str, after: &str) -> &'a str {
    let (_, help) = run.err.split_once("help: ").unwrap();
    let (_, rest) = help
        .split_once(before)
        .unwrap_or_else(|| panic!("{}", run.err));
    rest.split_once(after).unwrap().0
}

#[test]
fn a_reference_that_is_a_little_off_is_corrected() {
    let sandbox = signed_below(".");
    for (number, text) in [
        "./store/myapp:v1.0",
        "local:./store/myapp:v1.0",
        "local://./store/myapp:v1.0/",
        "./store/manifests/myapp/v1.0/manifest.json",
        "local://./store/manifests/myapp/v1.0/signatures/0123456789abcdef.json",
    ]
    .into_iter()
    .enumerate()
    {
        for command in ["sign", "verify"] {
            let run = sandbox
                .s3lo(&format!("{command} {text} --key plain.key"))
                .ends_with(2);
            let corrected = between(&run, "write `", "`");
            assert_eq!(corrected, "local://./store/myapp:v1.0", "{number}");
            let line = format!("{command} {corrected} --key plain.key");
            sandbox.s3lo(&line).ends_with(0);
        }
    }
    for (text, corrected) in [
        ("s3:/my-bucket/myapp:v1.0", "s3://my-bucket/myapp:v1.0"),
        ("s3://my-bucket/myapp:v1.0/", "s3://my-bucket/myapp:v1.0"),
        (
            "s3://arn:aws:s3:::my-bucket/myapp:v1.0",
            "s3://my-bucket/myapp:v1.0",
        ),
        (
            "my-bucket/manifests/myapp/v1.0/signatures/0123456789abcdef.json",
            "s3://my-bucket/myapp:v1.0",
        ),
    ] {
        let run = sandbox
            .s3lo(&format!("verify {text} --key plain.key"))
            .ends_with(2);
        assert_eq!(between(&run, "write `", "`"), corrected);
    }
    let point = "s3://arn:aws:s3:us-west-2:111122223333:accesspoint/my-ap/myapp:v1.0";
    let run = sandbox.s3lo(&format!("verify {point} --key plain.key"));
    insta::assert_snapshot!(run.ends_with(2).err);
}

#[test]
fn a_store_that_is_more_than_one_directory_deep_is_found() {
    let sandbox = signed_below("srv/images");
    let absolute = sandbox.file("srv/images/store/myapp:v1.0");
    for reference in [
        "local://./srv/images/store/myapp:v1.0".to_owned(),
        "local://srv/images/store/myapp:v1.0".to_owned(),
        format!("local://{}", absolute.display()),
        // The image is missing, and its store is there.
        "local://./srv/images/store/other:v1.0".to_owned(),
    ] {
        for command in ["sign", "verify"] {
            let run = sandbox.s3lo(&format!("{command} {reference} --key plain.key"));
            let run = run.ends_with(2);
            let folder = sandbox.file(between(&run, "`cd ", "`"));
            let name = reference.rsplit('/').next().unwrap();
            let corrected = between(&run, "write `", "`");
            assert_eq!(corrected, format!("local://./store/{name}"));
            let mut followed = sandbox.command(&[command, corrected, "--key", "../../plain.key"]);
            let code = followed.current_dir(folder).status().unwrap().code();
            assert_eq!(code, Some(if name.starts_with("myapp") { 0 } else { 2 }));
        }
    }
}

#[test]
fn what_the_shell_did_not_expand_is_named() {
    for root in ["~", "$HOME", "${HOME}"] {
        for folder in [".", "srv/images"] {
            let mut sandbox = signed_below(folder);
            let home = sandbox.path().to_str().unwrap().to_owned();
            sandbox.set("HOME", &home);
            let path = if folder == "." {
                String::new()
            } else {
                format!("{folder}/")
            };
            let reference = format!("local://{root}/{path}store/myapp:v1.0");
            let run = sandbox
                .run(&["verify", &reference, "--key", "plain.key"])
                .ends_with(2);
            let folder = Path::new(between(&run, "`cd ", "`"));
            let corrected = between(&run, "write `", "`");
            let key = sandbox.file("plain.key");
            let mut followed =
                sandbox.command(&["verify", corrected, "--key", key.to_str().unwrap()]);
            assert!(followed.current_dir(folder).status().unwrap().success());
        }
        let sandbox = Sandbox::with_image().with("HOME", "/nowhere");
        let reference = format!("local://{root}/nothing/myapp:v1.0");
        let run = sandbox.run(&["verify", &reference, "--key", "keys/cosign.pub"]);
        assert!(run.ends_with(2).err.contains("a shell expands"));
        for key in [
            format!("{root}/cosign.key"),
            format!("{root}/keys/cosign.pub"),
        ] {
            let run = sandbox.run(&["verify", "local://./store/myapp:v1.0", "--key", &key]);
            let run = run.ends_with(2);
            let expected = format!("a shell replaces `{root}`");
            assert!(run.err.contains(&expected), "{}", run.err);
        }
    }
    for scheme in ["file", "FILE"] {
        let line = format!("verify local://./store/myapp:v1.0 --key {scheme}://cosign.key");
        let run = Sandbox::with_image().s3lo(&line).ends_with(2);
        assert!(run.err.contains("cosign.key"), "{}", run.err);
    }
}
