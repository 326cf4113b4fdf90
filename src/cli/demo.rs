//! `s3lo demo`: a tiny image in a folder, and a throw-away key pair, to try the program with.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use s3lo_core::crypto::pem;
use s3lo_core::crypto::private::KeyFile;
use s3lo_core::digest::Digest;
use s3lo_core::manifest;
use secrecy::SecretSlice;
use serde::Serialize;
use serde_json::json;

use crate::atomic_file;
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
        KeyPassword::Unknown => ", which already exist",
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
        let path = format!("{FOLDER}/{}", Digest::of(blob).blob_key());
        write_new(&path, blob)?;
    }
    write_new(MANIFEST, manifest.as_bytes())?;
    Ok(Digest::of(manifest.as_bytes()))
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
                _ => Err(Diagnostic::plain(
                    "demo_changed",
                    format!("`{path}` is there, and is not what `s3lo demo` writes"),
                    format!("remove the folder and run it again: `rm -r {FOLDER} && s3lo demo`"),
                )),
            }
        }
        Err(error) => Err(Diagnostic::plain(
            "unwritable",
            format!(
                "cannot write `{path}`: {}",
                atomic_file::unwritable(Path::new(path), &error)
            ),
            "run it in a folder that you may write to",
        )),
    }
}

/// Where the password of the key pair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyPassword {
    Demo,
    Variable,
    /// Known only to the person who made the key pair that was there.
    Unknown,
}

fn write_key_pair() -> Result<KeyPassword, Diagnostic> {
    let there = |suffix| {
        Path::new(&format!("{PREFIX}.{suffix}"))
            .symlink_metadata()
            .is_ok()
    };
    let variable = password::cosign_password();
    if there("key") || there("pub") {
        return Ok(match variable {
            Some(_) => KeyPassword::Variable,
            None if is_of_demo() => KeyPassword::Demo,
            None => KeyPassword::Unknown,
        });
    }
    let (password, place) = match variable {
        Some(password) => (password, KeyPassword::Variable),
        None => (demo_password(), KeyPassword::Demo),
    };
    keys::write_pair(PREFIX, &password, false)?;
    Ok(place)
}

fn demo_password() -> SecretSlice<u8> {
    PASSWORD.as_bytes().to_vec().into()
}

/// Whether the key that is there is that of an earlier demo.
fn is_of_demo() -> bool {
    let file = bounded_file::read(format!("{PREFIX}.key"), pem::MAX_BYTES).ok();
    let key = file.and_then(|file| KeyFile::from_pem(&file).ok());
    key.is_some_and(|key| key.is_encrypted() && key.open(&demo_password()).is_ok())
}
