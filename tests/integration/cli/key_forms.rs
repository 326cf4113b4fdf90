//! Keys as shells, clouds and other tools hand them on: each is read, or named by its form with a command that works.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::copy;
use crate::support::program::{Run, Sandbox};

const REF: &str = "local://./store/myapp:v1.0";

/// Makes keys as people make them, by openssl and ssh-keygen.
const MAKE: &str = r#"set -e
openssl ecparam -name prime256v1 -genkey -noout -out ec.sec1
openssl pkcs8 -topk8 -nocrypt -in ec.sec1 -out ec.key
openssl pkey -in ec.key -pubout -out ec.pub
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key
openssl pkey -in rsa.key -pubout -out rsa.pub
openssl ec -in ec.key -aes256 -passout pass:secret -out ec-legacy.key
openssl rsa -in rsa.key -traditional -aes128 -passout pass:secret -out rsa-legacy.key
openssl pkcs8 -topk8 -in ec.key -passout pass:secret -out ec-pbes2.key
openssl pkcs8 -topk8 -in ec.key -passout pass:secret -v1 PBE-SHA1-3DES -out ec-pbes1.key
openssl pkcs8 -topk8 -in ec.key -passout pass:secret -v2 des3 -out ec-3des.key
openssl pkcs8 -topk8 -in ec.key -passout pass:secret -scrypt -out ec-scrypt.key
openssl pkey -in ec.key -ec_param_enc explicit -out ec-explicit.key
openssl ec -in ec.key -param_enc explicit -out ec-explicit.sec1
openssl pkey -in ec.key -pubout -ec_param_enc explicit -out ec-explicit.pub
openssl pkey -in ec.key -pubout -ec_conv_form compressed -out ec-compressed.pub
openssl pkey -in ec.key -pubout -ec_conv_form hybrid -out ec-hybrid.pub
openssl pkcs8 -topk8 -nocrypt -in ec.key -outform DER -out ec.der
openssl pkey -in ec.key -pubout -outform DER -out ec-pub.der
base64 ec.der > ec-der.b64
base64 -w0 ec-pub.der > ec-pub.b64
openssl req -x509 -new -key ec.key -subj /CN=x -out ec-cert.pem
openssl x509 -in ec-cert.pem -outform DER -out ec-cert.der
base64 ec-cert.der > ec-cert.b64
openssl req -new -key ec.key -subj /CN=x -out ec.csr
openssl pkcs12 -export -inkey ec.key -in ec-cert.pem -passout pass:secret -out ec.p12
base64 ec.p12 > ec-p12.b64
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_primes:3 -out primes.key
sed 's/PRIVATE KEY/EC PUBLIC KEY/' ec.key > ec-called-public.key
sed 's/PUBLIC KEY/PRIVATE KEY/' ec.pub > ec-called-private.pub
sed '1a Comment: ours\n' ec.key > ec-headers.key
ssh-keygen -q -t ecdsa -b 256 -N '' -f ssh-ec.key
ssh-keygen -q -t ecdsa -b 384 -N secret -f ssh-ec-password.key
ssh-keygen -q -t rsa -b 3072 -N '' -f ssh-rsa.key
ssh-keygen -q -t ed25519 -N '' -f ssh-ed.key
for key in ssh-ec ssh-rsa ssh-ed; do ssh-keygen -e -m RFC4716 -f $key.key.pub > $key-rfc4716.pub; done
"#;

/// A sandbox with a copy of the keys, which are made once.
fn sandbox() -> Sandbox {
    static MADE: LazyLock<Sandbox> = LazyLock::new(|| {
        let made = Sandbox::with_image();
        made.write("askpass", "#!/bin/sh\nprintf '%s' \"$PASSPHRASE\"\n");
        run_command(&made, "chmod +x askpass", "");
        run_command(&made, MAKE, "");
        made
    });
    let sandbox = Sandbox::new();
    copy(MADE.path(), sandbox.path());
    sandbox
}

/// Runs a command as a person would, who types a passphrase where one is asked for.
#[track_caller]
fn run_command(sandbox: &Sandbox, line: &str, passphrase: &str) {
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(sandbox.path())
        .envs(sandbox.environment())
        .env("SSH_ASKPASS", sandbox.file("askpass"))
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("PASSPHRASE", passphrase)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}\n{err}");
}

/// The command in the help of an error.
#[track_caller]
fn command_of(run: Run) -> String {
    let run = run.ends_with(2);
    let help = run
        .err
        .lines()
        .find(|line| line.starts_with("  help: "))
        .unwrap();
    let commands: Vec<_> = help.split('`').skip(1).step_by(2).collect();
    let runs = |command: &&&str| {
        let tools = ["openssl ", "ssh-keygen ", "sed ", "grep "];
        tools.iter().any(|tool| command.contains(tool))
    };
    (*commands
        .iter()
        .find(runs)
        .unwrap_or_else(|| panic!("{help}")))
    .to_owned()
}

fn fresh(sandbox: &Sandbox) {
    for name in ["key.pem", "key.pub"] {
        let _ = std::fs::remove_file(sandbox.file(name));
    }
}

/// The file that a command made, or the one that it rewrote.
fn made(sandbox: &Sandbox, name: &str, key: &str) -> String {
    let made = sandbox.file(name).exists();
    (if made { name } else { key }).to_owned()
}

/// The same key in a variable, with its line breaks as two characters.
fn in_variable(path: &Path) -> Option<String> {
    let text = String::from_utf8(std::fs::read(path).unwrap()).ok()?;
    Some(text.trim_end().replace('\n', r"\n"))
}

/// Every key that is named with a command, and the public key that verifies its signatures.
const PRIVATE: [(&str, &str); 15] = [
    ("ec-legacy.key", "ec.pub"),
    ("rsa-legacy.key", "rsa.pub"),
    ("ec-pbes1.key", "ec.pub"),
    ("ec-3des.key", "ec.pub"),
    ("ec-scrypt.key", "ec.pub"),
    ("ec-explicit.key", "ec.pub"),
    ("ec-explicit.sec1", "ec.pub"),
    ("ec.der", "ec.pub"),
    ("ec-der.b64", "ec.pub"),
    ("ec.p12", "ec.pub"),
    ("ec-p12.b64", "ec.pub"),
    ("ec-called-public.key", "ec.pub"),
    ("ec-headers.key", "ec.pub"),
    ("ssh-ec.key", ""),
    ("ssh-rsa.key", ""),
];

/// Every public key that is named with a command, and its private half.
const PUBLIC: [(&str, &str); 20] = [
    ("ec-explicit.pub", "ec.key"),
    ("ec-compressed.pub", "ec.key"),
    ("ec-hybrid.pub", "ec.key"),
    ("ec-pub.der", "ec.key"),
    ("ec-pub.b64", "ec.key"),
    ("ec.der", "ec.key"),
    ("ec-der.b64", "ec.key"),
    ("ec-cert.pem", "ec.key"),
    ("ec-cert.der", "ec.key"),
    ("ec-cert.b64", "ec.key"),
    ("ec.csr", "ec.key"),
    ("ec.p12", "ec.key"),
    ("ec-p12.b64", "ec.key"),
    ("ec-called-private.pub", "ec.key"),
    ("ssh-ec.key.pub", "ssh-ec.key"),
    ("ssh-ec.key", "ssh-ec.key"),
    ("ssh-ec-rfc4716.pub", "ssh-ec.key"),
    ("ssh-rsa.key.pub", "ssh-rsa.key"),
    ("ssh-rsa-rfc4716.pub", "ssh-rsa.key"),
    ("ssh-rsa.key", "ssh-rsa.key"),
];

#[test]
fn the_command_for_a_private_key_works() {
    for (key, public) in PRIVATE {
        for variable in [false, true] {
            // Fresh, as ssh-keygen rewrites a key.
            let mut sandbox = sandbox();
            let mut name = key.to_owned();
            if variable {
                let Some(value) = in_variable(&sandbox.file(key)) else {
                    continue;
                };
                sandbox.set("K", &value);
                name = "env://K".to_owned();
            }
            let run = sandbox.s3lo(&format!("sign {REF} --key {name}"));
            run_command(&sandbox, &command_of(run), "");
            let private = made(&sandbox, "key.pem", key);
            sandbox
                .s3lo(&format!("sign {REF} --key {private}"))
                .ends_with(0);
            if !public.is_empty() {
                sandbox
                    .s3lo(&format!("verify {REF} --key {public}"))
                    .ends_with(0);
            }
        }
    }
}

#[test]
fn the_command_for_a_public_key_works() {
    let mut sandbox = sandbox();
    for key in ["ssh-ec.key", "ssh-rsa.key"] {
        run_command(&sandbox, &format!("cp -p {key} {key}.converted"), "");
        run_command(
            &sandbox,
            &format!("ssh-keygen -p -m PKCS8 -f {key}.converted"),
            "",
        );
    }
    for (key, private) in PUBLIC {
        let signer = match private {
            "ec.key" => private.to_owned(),
            converted => format!("{converted}.converted"),
        };
        sandbox
            .s3lo(&format!("sign {REF} --key {signer} --if-signed replace"))
            .ends_with(0);
        let mut names = vec![key.to_owned()];
        if let Some(value) = in_variable(&sandbox.file(key)) {
            sandbox.set("K", &value);
            names.push("env://K".to_owned());
        }
        for name in names {
            fresh(&sandbox);
            let run = sandbox.s3lo(&format!("verify {REF} --key {name}"));
            run_command(&sandbox, &command_of(run), "");
            let verified = sandbox.s3lo(&format!(
                "verify {REF} --key {}",
                made(&sandbox, "key.pub", key)
            ));
            assert_eq!(
                verified.code,
                Some(0),
                "{name} {key}: {}{}",
                verified.out,
                verified.err
            );
        }
    }
}

#[test]
fn a_key_of_openssh_with_a_passphrase_is_converted_with_it() {
    let sandbox = sandbox();
    let run = sandbox.s3lo(&format!("sign {REF} --key ssh-ec-password.key"));
    run_command(&sandbox, &command_of(run), "secret");
    sandbox
        .s3lo(&format!("sign {REF} --key ssh-ec-password.key"))
        .ends_with(0);
    let sandbox = sandbox.with("COSIGN_PASSWORD", "wrong");
    let run = sandbox.s3lo(&format!("sign {REF} --key ssh-ec-password.key -o json"));
    assert_eq!(run.ends_with(2).json()["error"]["code"], "wrong_password");
}

#[test]
fn the_commands_for_ed25519_of_openssh_work() {
    let mut sandbox = sandbox();
    let public = std::fs::read_to_string(sandbox.file("ssh-ed.key.pub")).unwrap();
    let blob = STANDARD.decode(public.split(' ').nth(1).unwrap()).unwrap();
    // As Vault's API shows it.
    sandbox.write("raw.b64", STANDARD.encode(&blob[blob.len() - 32..]));
    for key in [
        "ssh-ed.key.pub",
        "ssh-ed-rfc4716.pub",
        "ssh-ed.key",
        "raw.b64",
    ] {
        sandbox.set("K", &in_variable(&sandbox.file(key)).unwrap());
        for name in [key, "env://K"] {
            fresh(&sandbox);
            let run = sandbox.s3lo(&format!("verify {REF} --key {name}"));
            run_command(&sandbox, &command_of(run), "");
            let converted = std::fs::read(sandbox.file("key.pub")).unwrap();
            let spki = pem::parse(converted).unwrap();
            assert_eq!(spki.contents()[12..], blob[blob.len() - 32..], "{name}");
            // It is a key that verifies.
            sandbox
                .s3lo(&format!("verify {REF} --key key.pub"))
                .ends_with(1);
        }
    }
    // Of a private one only a new one can be made.
    fresh(&sandbox);
    let run = sandbox.s3lo(&format!("sign {REF} --key ssh-ed.key"));
    run_command(&sandbox, &command_of(run), "");
    sandbox
        .s3lo(&format!("sign {REF} --key key.pem"))
        .ends_with(0);
}

#[test]
fn the_public_half_of_a_key_of_three_primes_is_taken_out_by_the_command() {
    let sandbox = sandbox();
    let run = sandbox.s3lo(&format!("sign {REF} --key primes.key"));
    run_command(&sandbox, &command_of(run), "");
    sandbox
        .s3lo(&format!("verify {REF} --key key.pub"))
        .ends_with(1);
}

#[test]
fn a_key_in_a_variable_is_read_as_shells_and_clouds_hand_it_on() {
    let sandbox = Sandbox::with_image();
    let key = std::fs::read_to_string(sandbox.file("keys/p256-sec1.key")).unwrap();
    let public = std::fs::read_to_string(sandbox.file("keys/p256-sec1.pub")).unwrap();
    let forms: [fn(&str) -> String; 6] = [
        |text| text.replace('\n', r"\n"),
        |text| serde_json::Value::from(text).to_string(),
        |text| STANDARD.encode(text),
        |text| text.replace('\n', "\r\n\r\n"),
        |text| format!("\u{feff}  {}", text.replace('\n', "\n  ")),
        |text| format!("$'{}'", text.replace('\n', r"\n")),
    ];
    for form in forms {
        let sandbox = Sandbox::with_image()
            .with("KEY", &form(&key))
            .with("PUB", &form(&public));
        sandbox
            .s3lo(&format!("sign {REF} --key env://KEY"))
            .ends_with(0);
        sandbox
            .s3lo(&format!("verify {REF} --key env://PUB"))
            .ends_with(0);
        sandbox.write("key.txt", form(&key));
        sandbox
            .s3lo(&format!("verify {REF} --key key.txt"))
            .ends_with(0);
    }
}

#[test]
fn a_path_in_a_variable_is_named_and_never_opened() {
    let sandbox = Sandbox::with_image();
    let path = sandbox.file("keys/p256-sec1.key");
    let sandbox = sandbox.with("K", path.to_str().unwrap());
    let run = sandbox.s3lo(&format!("sign {REF} --key env://K"));
    let run = run.ends_with(2);
    assert!(!run.err.contains(path.to_str().unwrap()), "{}", run.err);
    insta::assert_snapshot!(run.err);
}

#[test]
fn what_is_no_key_is_named_for_what_it_is() {
    let texts = [
        ("path", "/run/secrets/cosign.key"),
        ("reference", "awskms:///alias/release-signer"),
        ("template", "${{ secrets.COSIGN_KEY }}"),
        ("empty", "\n"),
        (
            "lfs",
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n",
        ),
        ("page", "<!DOCTYPE html><title>Sign in</title>"),
        ("ansible", "$ANSIBLE_VAULT;1.1;AES256\n6231\n"),
        ("jwk", r#"{"kty":"EC","crv":"P-256"}"#),
        ("putty", "PuTTY-User-Key-File-3: ssh-ed25519\n"),
        ("age", "AGE-SECRET-KEY-1QQPQXPSJ\n"),
        ("minisign", "untrusted comment: minisign public key\nRWRx\n"),
        (
            "pgp",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n-----END PGP PUBLIC KEY BLOCK-----\n",
        ),
        (
            "dashes",
            "\u{2014}\u{2013}BEGIN PUBLIC KEY\u{2014}\u{2013}\n",
        ),
        ("url", "-----BEGIN%20PUBLIC%20KEY-----%0AMFkw"),
        ("cut", "-----BEGIN PUBLIC KEY-----\nMFkw\n"),
        ("random", "4OJeohiVCZwqzyEmeArx8SBl8DFGo9qJXtgh7XeZjWE="),
    ];
    let mut all = String::new();
    for (name, text) in texts {
        let sandbox = Sandbox::with_image().with("K", text);
        let run = sandbox.s3lo(&format!("verify {REF} --key env://K"));
        assert!(
            !run.err.contains(text.trim()) || text == "\n",
            "{}",
            run.err
        );
        write!(all, "--- {name}\n{}", run.ends_with(2).err).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn commands_name_their_file_or_variable() {
    let mut sandbox = sandbox();
    let mut all = String::new();
    for (verb, key) in PRIVATE
        .map(|(key, _)| ("sign", key))
        .into_iter()
        .chain(PUBLIC.map(|(key, _)| ("verify", key)))
    {
        let run = sandbox.s3lo(&format!("{verb} {REF} --key {key}"));
        writeln!(all, "{}", run.ends_with(2).err.trim_end()).unwrap();
    }
    for (verb, key) in [
        ("sign", "ssh-ec.key"),
        ("verify", "ssh-ec.key.pub"),
        ("sign", "ec-der.b64"),
    ] {
        sandbox.set("K", &in_variable(&sandbox.file(key)).unwrap());
        let run = sandbox.s3lo(&format!("{verb} {REF} --key env://K"));
        writeln!(all, "{}", run.ends_with(2).err.trim_end()).unwrap();
    }
    insta::assert_snapshot!(all);
}
