//! The images of a release, from the layout that they are built into to a registry, a transparency-free signature by
//! cosign, and a bucket in which the project signs them by its own action.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use s3lo_core::digest::Digest;
use serde_json::{Value, json};

use super::project::{Project, VERSION};
use crate::support::program::{Run, Sandbox};
use crate::support::tools::tool;
use crate::support::{eventually, minio, vectors};

/// A registry on this machine, which ends with the test.
pub(super) struct Registry {
    server: Child,
    pub(super) image: String,
}

impl Registry {
    pub(super) fn start() -> Self {
        let mut server = Command::new(tool("crane"))
            .args(["registry", "serve", "--address", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        // Its log of the requests is of no use, but it must not wait for a reader.
        std::thread::spawn(move || lines.count());
        let port = line.rsplit(' ').next().unwrap();
        let image = format!("127.0.0.1:{port}/s3lo/sign-action");
        Self { server, image }
    }

    fn tag(&self, tag: &str) -> String {
        format!("{}:{tag}", self.image)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A project that is released to a registry.
fn released() -> (Project, Registry) {
    let (project, registry) = (Project::new(), Registry::start());
    let folder = project.home().join(".config/containers");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("registries.conf"), trusting(&registry.image)).unwrap();
    layout(&project.home().join("layout"), "program");
    (project, registry)
}

/// A configuration for skopeo by which the image's registry need not speak TLS.
pub(super) fn trusting(image: &str) -> String {
    let host = image.split('/').next().unwrap();
    format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n")
}

/// The layout that `packaging/image` makes, of images that hold a few bytes: `scratch` and `shell`, for both architectures.
pub(super) fn layout(folder: &Path, program: &str) {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let write = |contents: &[u8], kind: &str| {
        let digest = Digest::of(contents).to_string();
        fs::write(blobs.join(&digest[7..]), contents).unwrap();
        json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": contents.len()})
    };
    let json = |value: &Value, kind: &str| write(value.to_string().as_bytes(), kind);
    let index = |name: &str| {
        let manifests: Vec<_> = ["amd64", "arm64"]
            .map(|arch| {
                let layer = write(format!("{program} {name} {arch}").as_bytes(), "layer.v1.tar");
                let config = json(
                    &json!({"os": "linux", "architecture": arch, "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}),
                    "config.v1+json",
                );
                let kind = "application/vnd.oci.image.manifest.v1+json";
                let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
                let mut entry = json(&manifest, "manifest.v1+json");
                entry["platform"] = json!({"os": "linux", "architecture": arch});
                entry
            })
            .into();
        let kind = "application/vnd.oci.image.index.v1+json";
        let mut entry = json(
            &json!({"schemaVersion": 2, "mediaType": kind, "manifests": manifests}),
            "index.v1+json",
        );
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        entry
    };
    let top = json!({"schemaVersion": 2, "manifests": [index("scratch"), index("shell")]});
    fs::write(folder.join("index.json"), top.to_string()).unwrap();
    fs::write(
        folder.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
}

fn push(project: &Project, registry: &Registry) -> Run {
    let layout = project.home().join("layout");
    let layout = layout.to_str().unwrap();
    project.release("images", &["push", layout, &registry.image, VERSION])
}

/// skopeo takes the index that a layout's index.json names as it is.
#[test]
fn a_layout_whose_blobs_were_replaced_is_refused() {
    let (project, _registry) = released();
    let layout = project.home().join("layout");
    let index = fs::read(layout.join("index.json")).unwrap();
    let hash = Digest::of(&index).to_string();
    let hash = hash.trim_start_matches("sha256:");
    let check = || project.release("layout", &[layout.to_str().unwrap(), hash]);
    check().ends_with(0);
    let blobs = layout.join("blobs/sha256");
    let blob = fs::read_dir(blobs).unwrap().next().unwrap().unwrap().path();
    let before = fs::read(&blob).unwrap();
    fs::write(&blob, "of somebody else").unwrap();
    check().ends_with(1);
    fs::write(&blob, before).unwrap();
    fs::write(layout.join("index.json"), [&index[..], b" "].concat()).unwrap();
    check().ends_with(1);
}

/// The digests that a push prints, for the job's outputs.
fn digests(run: &Run) -> [String; 2] {
    let lines: Vec<_> = run.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", run.out);
    [("digest=", lines[0]), ("shell=", lines[1])]
        .map(|(name, line)| line.strip_prefix(name).unwrap().to_owned())
}

pub(super) fn held(project: &Project, image: &str) -> String {
    let run = project.run("crane", &["digest", image]).ends_with(0);
    run.out.trim().to_owned()
}

#[test]
fn images_are_pushed_once_and_a_repeated_run_finds_them() {
    let (project, registry) = released();
    let run = push(&project, &registry).ends_with(0);
    let [scratch, shell] = digests(&run);
    assert_ne!(scratch, shell);
    assert_eq!(held(&project, &registry.tag(VERSION)), scratch);
    assert_eq!(held(&project, &registry.tag("1.2.3-shell")), shell);
    let run = project.run("crane", &["manifest", &registry.tag(VERSION)]);
    let manifests = run.ends_with(0).json()["manifests"].clone();
    let manifests = manifests.as_array().unwrap().iter();
    let archs: Vec<_> = manifests
        .map(|entry| &entry["platform"]["architecture"])
        .collect();
    assert_eq!(archs, ["amd64", "arm64"]);

    let again = push(&project, &registry).ends_with(0);
    assert_eq!(again.out, run_of(&scratch, &shell));
    assert_eq!(again.err.matches("is there").count(), 2, "{}", again.err);
}

fn run_of(scratch: &str, shell: &str) -> String {
    format!("digest={scratch}\nshell={shell}\n")
}

/// A registry that does not know a tag yet, the first times that it is asked for after a push. The waits are counted.
const LAGGING: [(&str, &str); 2] = [
    (
        "skopeo",
        r#"#!/bin/bash
if [ "$1" = copy ]; then touch "$NOTES/pushed"; fi
if [ "$1" = inspect ] && [ -e "$NOTES/pushed" ] && [ "$(grep -c . "$NOTES/waits")" -lt "$LAG" ]; then
  echo "reading manifest: manifest unknown" >&2
  exit 1
fi
exec /usr/bin/skopeo "$@"
"#,
    ),
    ("sleep", "#!/bin/bash\necho \"$1\" >>\"$NOTES/waits\"\n"),
];

#[test]
fn a_registry_that_lags_after_a_push_is_asked_again_but_not_for_ever() {
    for (lag, code, waits) in [("3", 0, 3), ("99", 1, 10)] {
        let (mut project, registry) = released();
        let notes = tempfile::TempDir::new().unwrap();
        let at = notes.path().to_str().unwrap();
        for (name, script) in LAGGING {
            let path = notes.path().join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        project.set("PATH", &format!("{at}:/usr/bin:/bin"));
        fs::write(notes.path().join("waits"), "").unwrap();
        project.set("NOTES", at);
        project.set("LAG", lag);
        let run = push(&project, &registry).ends_with(code);
        let waited = fs::read_to_string(notes.path().join("waits")).unwrap();
        assert_eq!(waited.lines().count(), waits, "{}", run.err);
        assert_eq!(run.err.contains("is not what was pushed"), code == 1);
    }
}

#[test]
fn a_tag_of_another_image_is_never_overwritten() {
    let (project, registry) = released();
    let [scratch, _] = digests(&push(&project, &registry).ends_with(0));
    let other = project.home().join("layout");
    fs::remove_dir_all(&other).unwrap();
    layout(&other, "another program");
    let run = push(&project, &registry).ends_with(1);
    assert!(run.err.contains("never changes"), "{}", run.err);
    assert_eq!(run.out, "");
    assert_eq!(held(&project, &registry.tag(VERSION)), scratch);
}

#[test]
fn a_registry_that_does_not_answer_gives_no_verdict() {
    let (project, registry) = released();
    let gone = registry.image.clone();
    drop(registry);
    let layout = project.home().join("layout");
    let run = project
        .release(
            "images",
            &["push", layout.to_str().unwrap(), &gone, VERSION],
        )
        .ends_with(1);
    assert!(run.err.contains("could not be asked for"), "{}", run.err);
}

#[test]
fn the_majors_images_are_those_of_the_version() {
    let (project, registry) = released();
    let [scratch, shell] = digests(&push(&project, &registry).ends_with(0));
    for _ in 0..2 {
        let arguments = ["move", &registry.image, VERSION, &scratch, &shell];
        project.release("images", &arguments).ends_with(0);
        assert_eq!(held(&project, &registry.tag("1")), scratch);
        assert_eq!(held(&project, &registry.tag("1-shell")), shell);
    }
}

#[test]
fn cosign_verifies_what_it_signed_by_its_digest_and_nothing_else() {
    let (mut project, registry) = released();
    project.set("COSIGN_PASSWORD", "secret");
    let [scratch, shell] = digests(&push(&project, &registry).ends_with(0));
    let keys = vectors().join("keys");
    let (key, public) = (keys.join("cosign.key"), keys.join("cosign.pub"));
    let image = format!("{}@{scratch}", registry.image);
    let mut arguments = vec!["sign", "--yes", "--key", key.to_str().unwrap()];
    arguments.extend(["--use-signing-config=false", "--tlog-upload=false"]);
    arguments.extend(["--allow-http-registry", &image]);
    project.run("cosign", &arguments).ends_with(0);
    let verify = |image: &str| {
        let mut arguments = vec!["verify", "--key", public.to_str().unwrap()];
        arguments.extend([
            "--insecure-ignore-tlog=true",
            "--allow-http-registry",
            image,
        ]);
        project.run("cosign", &arguments)
    };
    verify(&image).ends_with(0);
    verify(&registry.tag(VERSION)).ends_with(0);
    assert_ne!(verify(&format!("{}@{shell}", registry.image)).code, Some(0));
}

/// A bucket of MinIO, its credentials in the environment of the project.
pub(super) fn bucket(project: &mut Project, name: &str) {
    let server = minio::minio();
    for (variable, value) in [
        ("AWS_ACCESS_KEY_ID", minio::USER),
        ("AWS_SECRET_ACCESS_KEY", minio::PASSWORD),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_S3", &server.endpoint),
    ] {
        project.set(variable, value);
    }
    let (url, user) = (
        format!("{}/{name}", server.endpoint),
        format!("{}:{}", minio::USER, minio::PASSWORD),
    );
    let mut arguments = vec!["--silent", "--fail", "--request", "PUT"];
    arguments.extend(["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", &user, &url]);
    // MinIO is ready some time before it stops answering 503.
    eventually(|| match project.run("curl", &arguments) {
        run if run.code == Some(0) => Ok(()),
        run => Err(format!("curl ended with {:?}", run.code)),
    });
}

#[test]
fn a_manifest_is_stored_once_and_never_replaced() {
    let (mut project, _registry) = released();
    bucket(&mut project, "release-store");
    let reference = "s3://release-store/sign-action:1.2.3";
    let store = |name: &str| project.release("store", &[name, reference]);
    assert!(store("action.yml").ends_with(0).out.contains("is stored"));
    assert!(store("action.yml").ends_with(0).out.contains("is there"));
    let run = store("CHANGELOG.md").ends_with(1);
    assert!(run.err.contains("never changes"), "{}", run.err);
    for bad in [
        "s3://release-store/sign-action",
        "gs://b/app:v1",
        "s3://b/app:v 1",
    ] {
        let run = project.release("store", &["action.yml", bad]).ends_with(1);
        assert!(run.err.contains("is no s3://"), "{}", run.err);
    }
    let run = project
        .release(
            "store",
            &["action.yml", "s3://no-such-bucket/sign-action:1.2.3"],
        )
        .ends_with(1);
    assert!(run.err.contains("NoSuchBucket"), "{}", run.err);
}

#[test]
fn refused_store_credentials_are_reported() {
    let (mut project, _registry) = released();
    bucket(&mut project, "release-refused");
    project.set("AWS_SECRET_ACCESS_KEY", "wrong");
    let run = project
        .release(
            "store",
            &["action.yml", "s3://release-refused/sign-action:1.2.3"],
        )
        .ends_with(1);
    assert!(run.err.contains("SignatureDoesNotMatch"), "{}", run.err);
    assert!(!run.err.contains("wrong"), "{}", run.err);
}

/// The job `sign` of the release: the manifests that the registry holds, in a bucket, signed by the program that the
/// images hold, as the action calls it.
#[test]
fn the_project_signs_its_own_images_by_its_own_action() {
    let (mut project, registry) = released();
    bucket(&mut project, "release-sign");
    let [scratch, shell] = digests(&push(&project, &registry).ends_with(0));
    let references: Vec<_> = [(VERSION, &scratch), ("1.2.3-shell", &shell)]
        .map(|(tag, digest)| {
            let blob = project
                .home()
                .join("layout/blobs/sha256")
                .join(&digest[7..]);
            let reference = format!("s3://release-sign/sign-action:{tag}");
            project
                .release("store", &[blob.to_str().unwrap(), &reference])
                .ends_with(0);
            format!("{reference}@{digest}")
        })
        .into();
    let mut sandbox = Sandbox::new()
        .with("GITHUB_ACTIONS", "true")
        .with("AWS_ACCESS_KEY_ID", minio::USER)
        .with("AWS_SECRET_ACCESS_KEY", minio::PASSWORD)
        .with("INPUT_ENDPOINT", &minio::minio().endpoint)
        .with("INPUT_REGION", "us-east-1")
        .with("INPUT_REFERENCE", &references.join("\n"));
    sandbox.set("GITHUB_OUTPUT", sandbox.file("output").to_str().unwrap());
    sandbox.set("INPUT_KEY", "keys/cosign.key");
    sandbox.set("INPUT_SCHEMA-VERSION", "2");
    sandbox.s3lo("ci sign").ends_with(0);
    sandbox.unset("INPUT_SCHEMA-VERSION");
    sandbox.set("INPUT_KEY", "keys/cosign.pub");
    sandbox.set("INPUT_MIN-SCHEMA", "2");
    sandbox.s3lo("ci verify").ends_with(0);
    let outputs = fs::read_to_string(sandbox.file("output")).unwrap();
    assert!(outputs.contains("\ntrue\n"), "{outputs}");
    // Another image in the place of it, by the same tags, is refused.
    let swapped = references.join("\n").replace(&scratch, &shell);
    sandbox.set("INPUT_REFERENCE", &swapped);
    sandbox.s3lo("ci verify").ends_with(1);
}
