//! Mistakes that people make, and the answers to them, as docs/mistakes.md shows them. `scripts/mistakes` writes that
//! page.

use std::path::Path;
use std::process::Command;

use crate::support::aws_fixture::{AwsFixture, EVERYTHING, MANIFEST_PATH, ROLE_ARN, SIGN, VERIFY};
use crate::support::program::{Run, Sandbox};
use crate::support::{MANIFEST, plain_key, vectors};
use s3lo_test_servers::aws::{Key, Subject, kms_error};
use s3lo_test_servers::s3::{S3Server, s3_error};

const PAGE: &str = "docs/mistakes.md";

const REF: &str = "local://./store/myapp:v1.0";

/// The page so far.
#[derive(Default)]
struct Page {
    text: String,
    count: usize,
    /// The text that an answer lacks.
    missing: String,
}

impl Page {
    fn section(&mut self, title: &str) {
        self.text.push_str(&format!("\n## {title}\n"));
    }

    /// Makes a mistake. Each of `expected` must be in the answer.
    #[track_caller]
    fn mistake(&mut self, did: &str, sandbox: &Sandbox, words: &[&str], expected: &[&str]) {
        let run = sandbox.run(words);
        let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
        let shown = format!("s3lo {}", words.join(" "));
        self.entry(did, &shown, sandbox, &run, expected);
    }

    /// The same, in words without blanks.
    #[track_caller]
    fn line(&mut self, did: &str, sandbox: &Sandbox, line: &str, expected: &[&str]) {
        let words: Vec<_> = line.split_whitespace().collect();
        self.mistake(did, sandbox, &words, expected);
    }

    /// The same with variables, which are shown in front of the command.
    #[track_caller]
    fn with(
        &mut self,
        did: &str,
        sandbox: &Sandbox,
        variables: &[(&str, &str)],
        line: &str,
        expected: &[&str],
    ) {
        let mut job = Sandbox::with_image();
        for (name, value) in sandbox.environment() {
            job.set(&name, &value);
        }
        job.write("plain.key", plain_key());
        for (name, value) in variables {
            job.set(name, value);
        }
        let run = job.s3lo(line);
        let shown: Vec<_> = variables
            .iter()
            .map(|(name, value)| format!("{name}={}", quoted(value)))
            .collect();
        self.entry(
            did,
            &format!("{} s3lo {line}", shown.join(" ")),
            &job,
            &run,
            expected,
        );
    }

    #[track_caller]
    fn entry(&mut self, did: &str, shown: &str, sandbox: &Sandbox, run: &Run, expected: &[&str]) {
        let answer = normal(&format!("{}{}", run.out, run.err), sandbox);
        for text in expected {
            if !answer.contains(text) {
                self.missing
                    .push_str(&format!("{did}: no {text:?} in:\n{answer}\n\n"));
            }
        }
        // The link is the same everywhere, and commands to a runner are not for people.
        let answer: Vec<_> = answer
            .lines()
            .filter(|line| !line.trim_start().starts_with("docs:") && !line.starts_with("::"))
            .collect();
        self.count += 1;
        let code = run.code.unwrap();
        self.text.push_str(&format!(
            "\n**{}. {did}** (exit {code})\n\n```console\n$ {}\n{}\n```\n",
            self.count,
            normal(shown, sandbox),
            answer.join("\n").trim_end()
        ));
    }
}

/// A word as it is typed.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if word.contains(['\r', '\n']) {
        return format!("$'{}'", word.replace('\r', "\\r").replace('\n', "\\n"));
    }
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{word}'")
}

/// The text without the values that differ from run to run: ports, the sandbox's path, times.
fn normal(text: &str, sandbox: &Sandbox) -> String {
    let folder = sandbox.path().file_name().unwrap().to_str().unwrap();
    let text = text.replace(sandbox.path().to_str().unwrap(), "/home/me");
    let text = text.replace(folder, "me");
    let text = without_ids(&text);
    let mut normal = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("127.0.0.1:") {
        let (before, after) = rest.split_at(at + "127.0.0.1:".len());
        normal.push_str(before);
        normal.push_str("9000");
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    normal.push_str(rest);
    let lines: Vec<_> = normal
        .lines()
        .map(|line| match line.strip_prefix("  Signed:  ") {
            Some(_) => "  Signed:  2026-11-30T12:00:00Z".to_owned(),
            None => line.to_owned(),
        })
        .collect();
    lines.join("\n")
}

/// The text with one ID in place of all that are made at random.
fn without_ids(text: &str) -> String {
    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
    let mut rest = text;
    let mut plain = String::new();
    while let Some(c) = rest.chars().next() {
        let id = rest.get(..ID.len()).filter(|id| {
            let fits = |(a, b): (char, char)| {
                (a == '-') == (b == '-') && (a == '-' || a.is_ascii_hexdigit())
            };
            id.chars().zip(ID.chars()).all(fits)
        });
        let len = match id {
            Some(id) => {
                plain.push_str(ID);
                id.len()
            }
            None => {
                plain.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[len..];
    }
    plain
}

fn local() -> Sandbox {
    let sandbox = Sandbox::with_image();
    sandbox.write("cosign.key", plain_key());
    let public = std::fs::read(vectors().join("plain-keys/p256-pkcs8.pub")).unwrap();
    sandbox.write("cosign.pub", public);
    sandbox
}

/// A sandbox with credentials, and a bucket with the image.
fn bucket() -> (Sandbox, S3Server) {
    let server = S3Server::start();
    server.put(MANIFEST_PATH, MANIFEST.as_bytes());
    let mut sandbox = local();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "example"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_MAX_ATTEMPTS", "1"),
        ("AWS_ENDPOINT_URL_S3", &server.endpoint),
    ] {
        sandbox.set(name, value);
    }
    (sandbox, server)
}

const S3_SIGN: &str = "sign s3://my-bucket/myapp:v1.0 --key cosign.key";

fn references(page: &mut Page) {
    page.section("The image");
    let sandbox = local();
    let key = ["--key", "cosign.key"];
    let digest = "25109184c71bdad752c8312a8623239686a9a2071e8825f20acb8f2198c3f659";
    for (did, reference, expected) in [
        (
            "A missing slash",
            "s3:/my-bucket/myapp:v1.0",
            &["is missing a slash", "write `s3://my-bucket/myapp:v1.0`"][..],
        ),
        (
            "A path in place of a reference",
            "./store/myapp:v1.0",
            &["write `local://./store/myapp:v1.0`"],
        ),
        (
            "A dash",
            "-",
            &["a reference is of the form `s3://BUCKET/IMAGE:TAG`"],
        ),
        (
            "Two references, a comma between them",
            "s3://my-bucket/myapp:v1.0,s3://my-bucket/web:v1.0",
            &["holds two references", "one per line"],
        ),
        (
            "Two references in quotes",
            "s3://my-bucket/myapp:v1.0 s3://my-bucket/web:v1.0",
            &["holds two references"],
        ),
        (
            "A variable that is not set",
            "",
            &["the reference is empty", "set the variable"],
        ),
        (
            "A variable in single quotes",
            "s3://my-bucket/myapp:$VERSION",
            &[
                "`$VERSION`, which was not replaced with its value",
                "double quotes",
            ],
        ),
        (
            "No tag",
            "s3://my-bucket/myapp",
            &["has no tag", "`s3://my-bucket/myapp:TAG`"],
        ),
        (
            "A tag from an empty variable",
            "s3://my-bucket/myapp:",
            &["the variable after the `:` is empty"],
        ),
        (
            "A pin from an empty variable",
            "s3://my-bucket/myapp:v1.0@",
            &[
                "nothing after the `@`",
                "the variable after the `@` is empty",
            ],
        ),
        (
            "A pin without its algorithm",
            &format!("s3://my-bucket/myapp:v1.0@{digest}"),
            &[
                "a digest begins with `sha256:`",
                &format!("write `s3://my-bucket/myapp:v1.0@sha256:{digest}`"),
            ],
        ),
        (
            "A digest without a tag",
            &format!("s3://my-bucket/myapp@sha256:{digest}"),
            &["names a digest but no tag"],
        ),
        (
            "A branch as a tag",
            "s3://my-bucket/myapp:feature/login",
            &["`feature/login` cannot be a tag", "github.sha"],
        ),
        (
            "A space after the reference",
            "s3://my-bucket/myapp:v1.0 ",
            &["ends with a space"],
        ),
        (
            "A script with Windows line endings",
            "s3://my-bucket/myapp:v1.0\r",
            &["ends with a carriage return", "dos2unix"],
        ),
        (
            "Quotation marks that stay",
            "\"s3://my-bucket/myapp:v1.0\"",
            &["contains its own quotation marks"],
        ),
        (
            "A store that is not supported",
            "gs://my-bucket/myapp:v1.0",
            &["Google Cloud Storage", "not supported yet"],
        ),
        (
            "A tag that is not there",
            "local://./store/myapp:v1.1",
            &["tags: v1.0", "did you mean `myapp:v1.0`?", "s3lo push"],
        ),
        (
            "A folder that is misspelt",
            "local://./stroe/myapp:v1.0",
            &[
                "there is no folder `./stroe`",
                "did you mean `local://./store/myapp:v1.0`?",
            ],
        ),
        (
            "A path of several folders",
            &format!("local://{}/store/myapp:v1.0", sandbox.path().display()),
            &["run `cd ", "the directory is one name"],
        ),
    ] {
        let words = [&["sign", reference][..], &key].concat();
        page.mistake(did, &sandbox, &words, expected);
    }
}

fn keys(page: &mut Page) {
    page.section("The key");
    let sandbox = local();
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", "id_rsa"])
        .current_dir(sandbox.path())
        .status();
    assert!(made.unwrap().success());
    sandbox.write("key.b64", "not a key");
    for (did, key, expected) in [
        (
            "A script with Windows line endings",
            "cosign.key\r",
            &["ends with a carriage return", "dos2unix"][..],
        ),
        (
            "The reference and the key swapped",
            REF,
            &["names an image, not a key", "swap the two"],
        ),
        (
            "A key that is not there",
            "cosgin.key",
            &["there is no key at `cosgin.key`"],
        ),
        (
            "A public key to sign with",
            "cosign.pub",
            &["a public key", "sign with the private key"],
        ),
        (
            "An OpenSSH key",
            "id_rsa",
            &["OpenSSH", "`ssh-keygen -p -m PKCS8 -f id_rsa`"],
        ),
        ("Something else in the file", "key.b64", &["not_a_key"]),
        (
            "A variable that is not set",
            "env://COSIGN_PRIVATE_KEY",
            &["COSIGN_PRIVATE_KEY, which is unset or empty"],
        ),
        (
            "An alias with two slashes",
            "awskms://alias/release-signer",
            &["awskms:///alias/release-signer"],
        ),
        (
            "A kind of key that is not supported",
            "gcpkms://projects/p",
            &["Google Cloud KMS"],
        ),
    ] {
        page.mistake(did, &sandbox, &["sign", REF, "--key", key], expected);
    }
    let empty = local().with("COSIGN_PASSWORD", "");
    let line = format!("sign {REF} --key keys/cosign.key");
    page.line(
        "A password from an empty secret",
        &empty,
        &line,
        &["wrong password", "password: it is empty"],
    );
    let newline = local().with("COSIGN_PASSWORD", "secret\n");
    page.line(
        "A password with a newline",
        &newline,
        &line,
        &["wrong password", "it ends with a newline"],
    );
    let none = local().without("COSIGN_PASSWORD");
    page.line(
        "No password",
        &none,
        &line,
        &["is encrypted, and COSIGN_PASSWORD is not set"],
    );
    page.line(
        "A new key without a terminal",
        &none,
        "generate-key-pair --output-key-prefix new",
        &["set it (it may be empty)"],
    );
    page.line(
        "A new key in a folder that is not there",
        &sandbox,
        "generate-key-pair --output-key-prefix sub/k",
        &["the folder `sub` does not exist"],
    );
}

fn command_line(page: &mut Page) {
    page.section("The command line");
    let sandbox = local();
    for (did, line, expected) in [
        (
            "A command of the other s3lo",
            "push myapp:v1.0",
            &[
                "the s3lo that stores images",
                "https://github.com/OuFinx/s3lo",
            ][..],
        ),
        (
            "A command that is misspelt",
            "sgin local://./store/myapp:v1.0",
            &["sign"],
        ),
        (
            "No key",
            "sign local://./store/myapp:v1.0",
            &[
                "`--key` is missing",
                "for example: `s3lo sign s3://my-bucket/myapp:v1.0 --key awskms:///alias/release-signer`",
            ],
        ),
        (
            "No image",
            "verify --key cosign.pub",
            &["the image is missing"],
        ),
        (
            "The verifier's option to sign",
            "sign local://./store/myapp:v1.0 --key cosign.key --min-schema 2",
            &[
                "`--min-schema` is an option of `verify`",
                "for `sign` it is `--schema-version 2`",
            ],
        ),
        (
            "The signer's option to verify",
            "verify local://./store/myapp:v1.0 --key cosign.pub --schema-version 2",
            &["for `verify` it is `--min-schema 2`"],
        ),
        (
            "An option that is misspelt",
            "verify local://./store/myapp:v1.0 --kye cosign.pub",
            &["write `--key`"],
        ),
        (
            "An option of cosign",
            "sign local://./store/myapp:v1.0 --key cosign.key --tlog-upload=false",
            &["--tlog-upload"],
        ),
        (
            "A time without its unit",
            "sign local://./store/myapp:v1.0 --key cosign.key --timeout 5",
            &["write a time from 1ms to 1day, such as `30s` or `5m`"],
        ),
        (
            "A server without its scheme",
            "sign s3://my-bucket/myapp:v1.0 --key cosign.key --endpoint minio:9000",
            &["minio:9000"],
        ),
        (
            "AWS options where nothing uses AWS",
            "sign local://./store/myapp:v1.0 --key cosign.key --role-arn arn:aws:iam::111122223333:role/signer",
            &["omit it"],
        ),
    ] {
        page.line(did, &sandbox, line, expected);
    }
    page.line(
        "The defaults, for verifiers that are s3lo 3",
        &sandbox,
        &format!("sign {REF} --key cosign.key"),
        &["note: schema 1 covers the digest but not the tag, and s3lo 3 does not accept it"],
    );
    page.line(
        "A guard that asks for schema 2",
        &sandbox,
        &format!("verify {REF} --key cosign.pub --min-schema 2"),
        &[
            "unsupported signature schema version 1 (at least 2 is required)",
            "--schema-version 2",
        ],
    );
    let sign = format!("sign {REF} --key cosign.key");
    sandbox
        .s3lo(&format!("{sign} --schema-version 2"))
        .ends_with(0);
    page.line(
        "A weaker signature over a stronger one",
        &sandbox,
        &format!("{sign} --schema-version 1"),
        &["already signed with schema 2, which is stronger"],
    );
    page.line(
        "An image and a key that are given twice",
        &sandbox,
        &format!("verify {REF} {REF} --key cosign.pub --key cosign.pub"),
        &[
            "warning: `local://./store/myapp:v1.0` is given 2 times",
            "warning: `cosign.pub` is given 2 times",
        ],
    );
    page.line(
        "Signing twice, where that is forbidden",
        &sandbox,
        &format!("{sign} --if-signed fail"),
        &["already"],
    );
}

fn verdicts(page: &mut Page) {
    page.section("An image that is not verified");
    let sandbox = local();
    let verify = format!("verify {REF} --key cosign.pub");
    page.line(
        "It is not signed",
        &sandbox,
        &verify,
        &[
            "no signature found for key cosign.pub",
            "Key ID:",
            "Looked at:",
            "help:",
        ],
    );
    sandbox
        .s3lo(&format!("sign {REF} --key cosign.key --schema-version 2"))
        .ends_with(0);
    page.line(
        "It is signed with another key",
        &sandbox,
        &format!("verify {REF} --key keys/p384.pub"),
        &[
            "no signature found",
            "Beside it: 83a085643219c3db (not verified)",
        ],
    );
    sandbox.push(
        "myapp",
        "v1.0",
        &MANIFEST.replace("\"layers\"", "\"annotations\":{},\"layers\""),
    );
    page.line(
        "The tag was pushed again",
        &sandbox,
        &verify,
        &["manifest changed: signed sha256:", "help:"],
    );
    let folder = sandbox.file("store/manifests/myapp");
    sandbox.push("myapp", "v1.0", MANIFEST);
    crate::support::copy(&folder.join("v1.0"), &folder.join("v2.0"));
    page.line(
        "The signature was copied to another tag",
        &sandbox,
        &verify.replace("v1.0", "v2.0"),
        &["invalid signature", "help:"],
    );
    page.line(
        "The folder is spelled differently",
        &sandbox,
        &verify.replace("./store", "store"),
        &["invalid signature", "./store"],
    );
    let record = "store/manifests/myapp/v1.0/signatures/83a085643219c3db.json";
    let whole = std::fs::read(sandbox.file(record)).unwrap();
    sandbox.write(record, &whole[..100]);
    page.line(
        "The record is cut short",
        &sandbox,
        &verify,
        &["malformed signature record", "Looked at:", "help:"],
    );
    sandbox.push("myapp", "v1.0", "<html><body>404</body></html>");
    page.line(
        "A page in place of the manifest",
        &sandbox,
        &verify,
        &["it is a page of HTML or XML, not JSON"],
    );
}

fn buckets(page: &mut Page) {
    page.section("S3");
    let (sandbox, server) = bucket();
    let down = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let line = format!("{S3_SIGN} --endpoint http://{down}");
    page.line(
        "A server that does not run",
        &sandbox,
        &line,
        &[
            "cannot connect to S3 at http://127.0.0.1:9000: connection refused",
            "check that the server runs",
        ],
    );
    let line = format!(
        "{S3_SIGN} --endpoint {}",
        server.endpoint.replace("http:", "https:")
    );
    page.line(
        "HTTPS to a server without TLS",
        &sandbox,
        &line,
        &["write `http://` in `--endpoint`"],
    );
    for (did, status, code, message, expected) in [
        (
            "A bucket that is misspelt",
            404,
            "NoSuchBucket",
            "The specified bucket does not exist",
            &[
                "the bucket `my-bucket` does not exist",
                "request: TESTREQUESTID",
            ][..],
        ),
        (
            "Capitals in the bucket's name",
            400,
            "InvalidBucketName",
            "The specified bucket is not valid.",
            &["lower-case letters"],
        ),
        (
            "No permission to read",
            403,
            "AccessDenied",
            "Access Denied",
            &[
                "check that the image is there",
                "\"Action\": \"s3:GetObject\"",
            ],
        ),
        (
            "A wrong secret key",
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
            &[
                "S3 refused the AWS credentials",
                "all three must come from the same set",
            ],
        ),
        (
            "A session that has expired",
            400,
            "ExpiredToken",
            "The provided token has expired.",
            &[
                "the AWS session, which has expired",
                "replace AWS_ACCESS_KEY_ID",
            ],
        ),
        (
            "A clock that is wrong",
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            &[
                "this machine's clock differs too much",
                "timedatectl set-ntp true",
            ],
        ),
    ] {
        server.fault(move |_| Some(s3_error(status, code, message)));
        page.line(did, &sandbox, S3_SIGN, expected);
    }
    server.fault(|_| None);
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let pinned = S3_SIGN.replace("v1.0", &format!("v1.0@{digest}"));
    page.line(
        "A tag that was pushed again since the build",
        &sandbox,
        &pinned,
        &[
            "does not hold the image that it is pinned to",
            "pinned:  sha256:e3b0",
            "another push moved this tag",
        ],
    );
    let line = format!(
        "{S3_SIGN} --endpoint {} --expected-bucket-owner 111122223333",
        server.endpoint
    );
    page.line(
        "An owner of the bucket on a server that is not Amazon's",
        &sandbox,
        &line,
        &["warning: "],
    );
    let none = local().with("AWS_REGION", "us-east-1");
    page.line(
        "No credentials",
        &none,
        S3_SIGN,
        &["there are no AWS credentials", "aws sso login"],
    );
    let half = local().with("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
    page.line(
        "Half of the credentials",
        &half,
        S3_SIGN,
        &["AWS_SECRET_ACCESS_KEY"],
    );
    let home = local()
        .with("AWS_PROFILE", "prd")
        .with("AWS_REGION", "us-east-1");
    let home = {
        let path = home.path().to_str().unwrap().to_owned();
        home.write(
            ".aws/config",
            "[profile dev]\nregion = us-east-1\n[profile prod]\nregion = us-east-1\n",
        );
        home.with("HOME", &path)
    };
    page.line(
        "A profile that is misspelt",
        &home,
        S3_SIGN,
        &[
            "the profile `prd` has no credentials",
            "profiles: dev, prod",
            "did you mean AWS_PROFILE=prod?",
        ],
    );
}

fn roles_and_kms(page: &mut Page) {
    page.section("AWS KMS and roles");
    let aws = AwsFixture::new();
    page.line(
        "An alias that is not there",
        &aws.sandbox,
        &SIGN.replace("release-signer", "relaese-signer"),
        &[
            "KMS has no such key in us-east-1",
            "aws kms list-aliases --region us-east-1",
        ],
    );
    aws.server.fault(|call| (call.action == "Sign").then(|| kms_error(400, "DisabledException", "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab is disabled.")));
    page.line(
        "A key that is disabled",
        &aws.sandbox,
        SIGN,
        &[
            "KMS refuses the key in its current state",
            "aws kms enable-key",
        ],
    );
    let policy = EVERYTHING.replace(", \"kms:*\"", ", \"kms:GetPublicKey\"");
    let aws = AwsFixture::with_policy(Key::of_vector("p256-pkcs8"), &policy);
    page.line(
        "A role that may not sign",
        &aws.sandbox,
        SIGN,
        &[
            "KMS in us-east-1 refused kms:Sign",
            "\"Action\": \"kms:Sign\"",
        ],
    );
    let aws = AwsFixture::in_github(EVERYTHING);
    let mut trust = crate::support::aws_fixture::trust();
    trust.subject = Subject::Equals("repo:acme/app:ref:refs/heads/release".to_owned());
    aws.server.role("signer", &trust, EVERYTHING);
    page.line(
        "A branch that the role does not trust",
        &aws.sandbox,
        &format!("{SIGN} --role-arn {ROLE_ARN}"),
        &[
            "AWS STS did not let this job assume arn:aws:iam::111122223333:role/signer",
            "subject: ",
            "if this job should not sign",
            "if it should, add this statement",
        ],
    );
    let mut aws = AwsFixture::in_github(EVERYTHING);
    aws.sandbox.unset("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    aws.sandbox.unset("ACTIONS_ID_TOKEN_REQUEST_URL");
    page.line(
        "A workflow without `id-token: write`",
        &aws.sandbox,
        &format!("{VERIFY} --role-arn {ROLE_ARN}"),
        &["id-token: write"],
    );
}

fn jobs(page: &mut Page) {
    page.section("Jobs");
    let job = Sandbox::with_image();
    let own = [("S3LO_REFERENCE", REF), ("S3LO_KEY", "plain.key")];
    let with = |more: &[(&'static str, &'static str)]| [&own[..], more].concat();
    page.with(
        "A variable that is misspelt",
        &job,
        &[("S3LO_REFERNCE", REF), ("S3LO_KEY", "plain.key")],
        "ci sign",
        &["S3LO_REFERNCE is not an option", "write `S3LO_REFERENCE`"],
    );
    page.with(
        "A guard that is misspelt",
        &job,
        &with(&[("S3LO_MIN_SCHEMA_VERSION", "2")]),
        "ci verify",
        &["S3LO_MIN_SCHEMA_VERSION", "S3LO_MIN_SCHEMA"],
    );
    page.with(
        "No reference",
        &job,
        &[("S3LO_KEY", "plain.key")],
        "ci sign",
        &["S3LO_REFERENCE", "is not set"],
    );
    page.with(
        "A yes where `true` belongs",
        &job,
        &with(&[("S3LO_VERBOSE", "yes")]),
        "ci sign",
        &["S3LO_VERBOSE must be `true` or `false`"],
    );
    page.with(
        "Results in a folder that is not there",
        &job,
        &with(&[("S3LO_OUTPUT_FILE", "out/s3lo.json")]),
        "ci sign",
        &["the folder `out` does not exist"],
    );
    let github = Sandbox::with_image().with("GITHUB_ACTIONS", "true");
    page.with(
        "An input of another action",
        &github,
        &[
            ("INPUT_IMAGE", REF),
            ("INPUT_REFERENCE", REF),
            ("INPUT_KEY", "plain.key"),
        ],
        "ci sign",
        &["`image`", "`reference`"],
    );
}

#[test]
fn the_page_of_mistakes_is_what_the_program_answers() {
    let mut page = Page::default();
    references(&mut page);
    keys(&mut page);
    command_line(&mut page);
    verdicts(&mut page);
    buckets(&mut page);
    roles_and_kms(&mut page);
    jobs(&mut page);
    assert!(page.missing.is_empty(), "{}", page.missing);
    assert!(page.count >= 60, "{} mistakes", page.count);
    let text = format!(
        "# Mistakes and answers\n\nMistakes that people make, and what s3lo answers. A script makes this page from the program (`scripts/mistakes`); each answer\nalso ends with a link to [its section](errors.md).\n{}",
        page.text
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    if std::env::var_os("UPDATE_MISTAKES").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert_same_page(&there, &text);
}

/// Fails with the first line that differs.
#[track_caller]
fn assert_same_page(there: &str, expected: &str) {
    if there == expected {
        return;
    }
    let differs = there
        .lines()
        .zip(expected.lines())
        .find(|(one, other)| one != other);
    panic!(
        "{PAGE} is not what the program answers; `scripts/mistakes` writes it anew: {differs:?}"
    );
}
