//! Other tools accept the program's signatures: openssl, and the real cosign.

use std::path::Path;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::program::Sandbox;
use crate::support::tools::{openssl, tool};
use crate::support::{KEYS, files, password, vectors};

const REF: &str = "local://./store/myapp:v1.0";

/// Signs by a key; the payload and the signature as files.
fn signed(sandbox: &Sandbox, key: &str, schema: u32) {
    sandbox
        .s3lo(&format!(
            "sign {REF} --key {key} --schema-version {schema} --if-signed replace"
        ))
        .ends_with(0);
    let folder = sandbox.file("store/manifests/myapp/v1.0/signatures");
    let names = files(&folder);
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join(&names[0])).unwrap()).unwrap();
    let payload = match schema {
        1 => STANDARD
            .decode(record["payload"].as_str().unwrap())
            .unwrap(),
        _ => format!(
            "s3lo-signature-v2\n./store/myapp:v1.0\n{}\n",
            record["digest"].as_str().unwrap()
        )
        .into_bytes(),
    };
    sandbox.write("payload", payload);
    sandbox.write(
        "signature",
        STANDARD
            .decode(record["signature"].as_str().unwrap())
            .unwrap(),
    );
    sandbox.write("signature.b64", record["signature"].as_str().unwrap());
    std::fs::remove_dir_all(folder).unwrap();
}

#[track_caller]
fn accepted(output: &Output, what: &str) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {text}");
}

fn verified_by_openssl(sandbox: &Sandbox, public: &Path, hash: Option<&str>) -> Output {
    let path = |name: &str| sandbox.file(name).to_str().unwrap().to_owned();
    let (payload, signature) = (path("payload"), path("signature"));
    let public = public.to_str().unwrap();
    match hash {
        Some(hash) => openssl(&[
            "dgst",
            hash,
            "-verify",
            public,
            "-signature",
            &signature,
            &payload,
        ]),
        None => openssl(&[
            "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public, "-in", &payload,
            "-sigfile", &signature,
        ]),
    }
}

fn hash(name: &str) -> Option<&'static str> {
    match name {
        name if name.starts_with("p384") => Some("-sha384"),
        name if name.starts_with("p521") => Some("-sha512"),
        name if name.starts_with("ed25519") => None,
        _ => Some("-sha256"),
    }
}

#[test]
fn openssl_accepts_a_signature_of_every_key() {
    let mut accepted_by_openssl = 0;
    for key in KEYS {
        let sandbox = Sandbox::with_image().with("COSIGN_PASSWORD", password(key));
        let public = sandbox.file(&format!("keys/{key}.pub"));
        for schema in [1, 2] {
            signed(&sandbox, &format!("keys/{key}.key"), schema);
            accepted(&verified_by_openssl(&sandbox, &public, hash(key)), key);
            accepted_by_openssl += 1;
        }
        // And refuses another payload, so that its yes means something.
        sandbox.write("payload", "another payload");
        assert!(
            !verified_by_openssl(&sandbox, &public, hash(key))
                .status
                .success()
        );
    }
    println!("{accepted_by_openssl} signatures accepted by openssl");
    assert_eq!(accepted_by_openssl, 22);
}

#[test]
fn openssl_accepts_a_signature_of_every_plain_key() {
    let folder = vectors().join("plain-keys");
    let names: Vec<_> = files(&folder)
        .into_iter()
        .filter(|name| name.ends_with(".key"))
        .collect();
    for name in &names {
        let sandbox = Sandbox::with_image();
        std::fs::copy(folder.join(name), sandbox.file("plain.key")).unwrap();
        signed(&sandbox, "plain.key", 1);
        let public = folder.join(name.replace(".key", ".pub"));
        accepted(&verified_by_openssl(&sandbox, &public, hash(name)), name);
    }
    assert!(names.len() >= 13, "{names:?}");
}

/// cosign, without the network.
fn cosign(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    Command::new(tool("cosign"))
        .args(arguments)
        .current_dir(sandbox.path())
        .env_clear()
        .env("HOME", sandbox.path())
        .env("COSIGN_PASSWORD", "secret")
        .output()
        .unwrap()
}

#[test]
fn cosign_reads_our_keys_and_accepts_our_signatures() {
    let sandbox = Sandbox::with_image();
    sandbox
        .s3lo("generate-key-pair --output-key-prefix ours")
        .ends_with(0);
    let public = cosign(&sandbox, &["public-key", "--key", "ours.key"]);
    accepted(&public, "cosign public-key");
    assert_eq!(
        public.stdout,
        std::fs::read(sandbox.file("ours.pub")).unwrap()
    );
    for key in ["ours", "keys/cosign", "keys/rsa2048", "keys/p256-sec1"] {
        signed(&sandbox, &format!("{key}.key"), 1);
        let public = format!("{key}.pub");
        let verify = |signature: &str| {
            cosign(
                &sandbox,
                &[
                    "verify-blob",
                    "--key",
                    &public,
                    "--signature",
                    signature,
                    "--insecure-ignore-tlog=true",
                    "payload",
                ],
            )
        };
        accepted(&verify("signature.b64"), key);
        sandbox.write("payload", "another payload");
        assert!(
            !verify("signature.b64").status.success(),
            "cosign must be able to reject"
        );
    }
}

#[test]
fn a_key_that_cosign_generates_now_signs_here() {
    let sandbox = Sandbox::with_image();
    accepted(
        &cosign(
            &sandbox,
            &["generate-key-pair", "--output-key-prefix", "theirs"],
        ),
        "cosign generate-key-pair",
    );
    sandbox
        .s3lo(&format!("sign {REF} --key theirs.key"))
        .ends_with(0);
    sandbox
        .s3lo(&format!("verify {REF} --key theirs.pub"))
        .ends_with(0);
}

/// Manifests that s3lo 3 signs: it reads no more of them than their bytes.
#[test]
fn manifests_without_lists_are_signed_and_verified() {
    let image = "application/vnd.oci.image.manifest.v1+json";
    let index = "application/vnd.oci.image.index.v1+json";
    let config = r#""config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;
    let subject = config
        .replace("config", "subject")
        .replace("empty", "image.manifest");
    let sandbox = Sandbox::new();
    for (number, fields) in [
        format!(r#""mediaType":"{image}",{config}"#),
        format!(r#""mediaType":"{image}",{config},"layers":null"#),
        format!(
            r#""mediaType":"{image}","artifactType":"application/vnd.example",{config},{subject}"#
        ),
        format!(r#""mediaType":"{index}","manifests":null"#),
        format!(r#""mediaType":"{index}",{subject}"#),
        config.to_owned(),
    ]
    .iter()
    .enumerate()
    {
        sandbox.push(
            "artifact",
            &format!("v{number}"),
            &format!(r#"{{"schemaVersion":2,{fields}}}"#),
        );
        let image = format!("local://./store/artifact:v{number}");
        sandbox
            .s3lo(&format!(
                "sign {image} --key keys/p256-sec1.key --schema-version 2"
            ))
            .ends_with(0);
        sandbox
            .s3lo(&format!(
                "verify {image} --key keys/p256-sec1.pub --min-schema 2"
            ))
            .ends_with(0);
    }
}
