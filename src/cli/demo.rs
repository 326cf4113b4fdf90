//! `s3lo demo`: a tiny image in a folder, and a throw-away key pair, to try the program with.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use s3lo_core::crypto::private::KeyFile;
use s3lo_core::digest::Digest;
use s3lo_core::manifest;
use secrecy::SecretSlice;
use serde::Serialize;
use serde_json::json;

use crate::bounded_file;
use crate::cli::args::Output;
use crate::cli::output::json;
use crate::cli::{CommandError, ExitStatus, keys, password};
use crate::diagnostic::Diagnostic;

/// The folder, which is the store.
const FOLDER: &str = "demo";
const IMAGE: &str = "local://./demo/hello:v1";
const MANIFEST: &str = "demo/manifests/hello/v1/manifest.json";
const PREFIX: &str = "cosign";
/// The password of the key, unless COSIGN_PASSWORD names another.
const PASSWORD: &str = "demo";

/// The most that is read of a key file, in bytes.
const MAX_KEY_LEN: u64 = 64 * 1024;

/// An uncompressed tar archive with `/bin/hello`, a script.
const LAYER: &[u8] = include_bytes!("demo/layer.tar");

/// The demo, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Demo {
    image: &'static str,
    digest: String,
    private_key: String,
    public_key: String,
    commands: Vec<String>,
}

/// Writes image and key pair where there are none yet, and prints the commands to try.
pub(crate) fn run(output: Output, out: &mut dyn Write) -> Result<ExitStatus, CommandError> {
    let digest = write_image()?;
    let password = write_key_pair()?;
    let commands = commands(password);
    let (private, public) = (format!("{PREFIX}.key"), format!("{PREFIX}.pub"));
    if output == Output::Json {
        let demo = Demo {
            image: IMAGE,
            digest: digest.to_string(),
            private_key: private,
            public_key: public,
            commands: commands.into(),
        };
        json::write(out, &demo)?;
        return Ok(ExitStatus::Done);
    }
    let [sign, verify, inspect, change, again] = commands;
    let of_key = match password {
        KeyPassword::Demo => ", password `demo`",
        KeyPassword::Variable => ", password in COSIGN_PASSWORD",
        KeyPassword::Unknown => ", which were there already",
    };
    writeln!(out, "Image:  {IMAGE}")?;
    writeln!(out, "Keys:   {private} and {public}{of_key}")?;
    writeln!(out, "\nSign the image, and verify it:\n")?;
    writeln!(out, "  {sign}\n  {verify}\n  {inspect}")?;
    writeln!(out, "\nChange the image, and see it refused:\n")?;
    writeln!(out, "  {change}\n  {again}")?;
    Ok(ExitStatus::Done)
}

fn commands(password: KeyPassword) -> [String; 5] {
    let variable = match password {
        KeyPassword::Demo => format!("COSIGN_PASSWORD={PASSWORD} "),
        KeyPassword::Variable | KeyPassword::Unknown => String::new(),
    };
    let verify = format!("s3lo verify {IMAGE} --key {PREFIX}.pub --min-schema 2");
    [
        format!("{variable}s3lo sign {IMAGE} --key {PREFIX}.key --schema-version 2"),
        verify.clone(),
        format!("s3lo inspect {IMAGE} --key {PREFIX}.pub"),
        format!("echo >> {MANIFEST}"),
        verify,
    ]
}

/// Writes an image as `s3lo push` does: blobs by digest, and the manifest under the tag.
fn write_image() -> Result<Digest, Diagnostic> {
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/hello"]},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(LAYER).to_string()]},
    });
    let config = config.to_string();
    let descriptor = |media_type: &str, bytes: &[u8]| {
        json!({
            "mediaType": media_type,
            "digest": Digest::of(bytes).to_string(),
            "size": bytes.len(),
        })
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": manifest::MediaType::OciManifest.to_string(),
        "config": descriptor("application/vnd.oci.image.config.v1+json", config.as_bytes()),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", LAYER)],
    });
    let manifest = manifest.to_string();
    for blob in [config.as_bytes(), LAYER] {
        write_new(&blob_path(Digest::of(blob)), blob)?;
    }
    write_new(MANIFEST, manifest.as_bytes())?;
    Ok(Digest::of(manifest.as_bytes()))
}

fn blob_path(digest: Digest) -> String {
    let name = digest.to_string();
    let hex = name.strip_prefix("sha256:").unwrap_or(&name);
    format!("{FOLDER}/blobs/sha256/{hex}")
}

/// Writes a file unless it is there already with the same bytes. A link is not followed.
fn write_new(path: &str, bytes: &[u8]) -> Result<(), Diagnostic> {
    let write = || {
        if Path::new(path).ancestors().any(Path::is_symlink) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if let Some(folder) = Path::new(path).parent() {
            fs::create_dir_all(folder)?;
        }
        File::create_new(path)?.write_all(bytes)
    };
    match write() {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            match bounded_file::read(path, manifest::MAX_BYTES) {
                Ok(there) if *there == bytes => Ok(()),
                _ => Err(Diagnostic {
                    code: "demo_changed",
                    message: format!("`{path}` is there, and is not what `s3lo demo` writes"),
                    help: format!(
                        "remove the folder and run it again: `rm -r {FOLDER} && s3lo demo`"
                    ),
                }),
            }
        }
        Err(error) => Err(Diagnostic {
            code: "unwritable",
            message: format!("cannot write `{path}`: {error}"),
            help: "run it in a folder that you may write".to_owned(),
        }),
    }
}

/// Where the password of the key pair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyPassword {
    Demo,
    Variable,
    /// With whoever made the key pair that was there.
    Unknown,
}

fn write_key_pair() -> Result<KeyPassword, Diagnostic> {
    let there = |suffix| {
        Path::new(&format!("{PREFIX}.{suffix}"))
            .symlink_metadata()
            .is_ok()
    };
    let variable = password::cosign_password();
    match (there("key") || there("pub"), variable) {
        (true, Some(_)) => Ok(KeyPassword::Variable),
        (true, None) if opens_with(PASSWORD) => Ok(KeyPassword::Demo),
        (true, None) => Ok(KeyPassword::Unknown),
        (false, Some(password)) => {
            keys::write_pair(PREFIX, &password, false)?;
            Ok(KeyPassword::Variable)
        }
        (false, None) => {
            let password = SecretSlice::from(PASSWORD.as_bytes().to_vec());
            keys::write_pair(PREFIX, &password, false)?;
            Ok(KeyPassword::Demo)
        }
    }
}

/// Whether the key that is there is that of an earlier demo.
fn opens_with(password: &str) -> bool {
    let password = SecretSlice::from(password.as_bytes().to_vec());
    let file = bounded_file::read(format!("{PREFIX}.key"), MAX_KEY_LEN).ok();
    let key = file.and_then(|file| KeyFile::from_pem(&file).ok());
    key.is_some_and(|key| key.is_encrypted() && key.open(&password).is_ok())
}
