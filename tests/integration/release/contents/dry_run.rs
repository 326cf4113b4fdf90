//! The workflow of the release, run from its tag to its last job: its own scripts, outputs and order, a registry, a bucket
//! and git servers of this machine, and a stand-in for the services that only GitHub has.

use std::fs;

use serde_json::json;

use super::files::GH;
use super::images::{Registry, bucket, held, layout, trusting};
use super::project::{Project, VERSION};
use crate::ci::act::runner::{Act, without_actions, workflow};
use crate::support::program::Run;
use crate::support::tools::tool;
use crate::support::{minio, vectors};

/// The jobs that build and try the programs are those of `ci`, which has tests of its own.
const CI: &str = "    uses: ./.github/workflows/ci.yml\n    permissions:\n      contents: read\n";
const BUILT: &str = r#"    runs-on: ubuntu-24.04
    steps:
      - run: for arch in amd64 arm64; do install -D "$S3LO" "$ARTIFACTS/s3lo-linux-$arch/s3lo"; done
"#;

/// The stand-ins for each action, and for each program that uses the network.
const PROGRAMS: [(&str, &str); 11] = [
    (
        "checkout",
        r#"git clone --quiet "$ORIGIN" . && git checkout --quiet --detach "${INPUT_REF:-$SOURCE}""#,
    ),
    (
        "upload-artifact",
        r#"rm -rf "${ARTIFACTS:?}/$INPUT_NAME" && cp -r "$INPUT_PATH" "$ARTIFACTS/$INPUT_NAME""#,
    ),
    (
        "download-artifact",
        r#"mkdir -p "$INPUT_PATH"
if [ -n "${INPUT_NAME:-}" ]; then cp -r "$ARTIFACTS/$INPUT_NAME/." "$INPUT_PATH"; exit; fi
for name in "$ARTIFACTS"/$INPUT_PATTERN; do cp -r "$name" "$INPUT_PATH"; done"#,
    ),
    // The files that it attests have to be there, and a bill of materials has to be one by the action's own check.
    (
        "attest",
        r#"for input in SUBJECT-CHECKSUMS SBOM-PATH; do ! file=$(printenv "INPUT_$input") || test -s "$file"; done
! file=$(printenv INPUT_SBOM-PATH) || jq --exit-status '.bomFormat and .serialNumber and .specVersion' "$file" >/dev/null ||
  { echo "Unsupported SBOM format" >&2; exit 1; }
echo "$(printenv INPUT_SUBJECT-DIGEST || true) $(printenv INPUT_SBOM-PATH || true)" >>"$GITHUB/attested""#,
    ),
    ("setup-go", ""),
    (
        "configure-aws-credentials",
        r#"printf 'aws-access-key-id=%s\naws-secret-access-key=%s\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" >>"$GITHUB_OUTPUT""#,
    ),
    (
        "sudo",
        r#"case "$*" in *packaging/image*amd64=*arm64=*) for program in "${@: -2}"; do test -s "${program#*=}"; done; cp -r "$LAYOUT" layout ;; chown*) ;; esac"#,
    ),
    (
        "docker",
        r#"test "$1 $2" = "login ghcr.io" && test "$(cat)" = a-token"#,
    ),
    ("go", r#"[ "$1" = install ] || echo "$HOME""#),
    ("cargo", r#"exec "$TOOLCHAIN/cargo" "$@""#),
    ("rustc", r#"exec "$TOOLCHAIN/rustc" "$@""#),
];

/// Without Sigstore cosign signs with a key.
const COSIGN: &str = r#"case $1 in
  sign) shift; exec "$COSIGN" sign --key "$KEYS/cosign.key" --use-signing-config=false --tlog-upload=false --allow-http-registry "$@" ;;
  verify) exec "$COSIGN" verify --key "$KEYS/cosign.pub" --insecure-ignore-tlog=true --allow-http-registry "$2" ;;
esac"#;

/// A release that is about to be made.
struct Release {
    project: Project,
    registry: Registry,
    act: Act,
    workflow: String,
}

impl Release {
    fn new(bucket_name: &str) -> Self {
        let (mut project, registry, act) = (Project::new(), Registry::start(), Act::new());
        bucket(&mut project, bucket_name);
        // The sources that `cargo metadata` requires.
        for name in ["src/main.rs", "src/lib.rs"] {
            fs::create_dir_all(project.file("src")).unwrap();
            fs::write(project.file(name), "fn main() {}\n").unwrap();
        }
        project.git("add .");
        project.git("commit --quiet --message Sources");
        let servers = ["server", "gitlab", "buildkite"].map(|name| project.server(name));
        project.git(&format!("push --quiet {} main", servers[0]));
        let urls = [
            "git@github.com:s3lo/sign-action.git",
            "git@gitlab.com:s3lo/sign-action.git",
            "git@github.com:s3lo/s3lo-sign-buildkite-plugin.git",
        ];
        let instead = servers.iter().zip(urls);
        let instead = instead
            .map(|(server, url)| format!("[url \"{server}\"]\n\tinsteadOf = {url}\n"))
            .collect::<String>();
        act.write(".gitconfig", &instead);
        act.write(
            ".config/containers/registries.conf",
            &trusting(&registry.image),
        );
        layout(&act.file("layout"), "program");

        for (name, script) in PROGRAMS {
            act.program(name, script);
        }
        act.program("gh", GH);
        act.program("cosign", COSIGN);
        act.write("github/setting", "true\n");
        fs::create_dir(act.file("artifacts")).unwrap();
        let event = json!({"ref": format!("refs/tags/release-{VERSION}")});
        act.write("event.json", &event.to_string());

        let cargo = std::env::var("CARGO").unwrap();
        let toolchain = cargo.strip_suffix("/cargo").unwrap();
        let cargo_home = std::env::var("CARGO_HOME").unwrap_or_else(|_| {
            let home = std::env::var("HOME").unwrap();
            format!("{home}/.cargo")
        });
        let (keys, signer) = (
            vectors().join("keys"),
            vectors().join("plain-keys/p256-pkcs8.key"),
        );
        let variables = [
            (
                "ARTIFACTS",
                act.file("artifacts").to_str().unwrap().to_owned(),
            ),
            ("LAYOUT", act.file("layout").to_str().unwrap().to_owned()),
            ("GITHUB", act.file("github").to_str().unwrap().to_owned()),
            ("ORIGIN", servers[0].clone()),
            ("SOURCE", project.git("rev-parse HEAD")),
            ("S3LO", env!("CARGO_BIN_EXE_s3lo").to_owned()),
            ("TOOLCHAIN", toolchain.to_owned()),
            ("CARGO_HOME", cargo_home),
            ("CARGO_NET_OFFLINE", "true".to_owned()),
            ("COSIGN", tool("cosign").to_str().unwrap().to_owned()),
            ("COSIGN_PASSWORD", "secret".to_owned()),
            ("KEYS", keys.to_str().unwrap().to_owned()),
            ("AWS_ACCESS_KEY_ID", minio::USER.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", minio::PASSWORD.to_owned()),
            ("AWS_ENDPOINT_URL_S3", minio::minio().endpoint.clone()),
        ];
        let mut act = act;
        for (name, value) in &variables {
            act = act.with("--env", name, value);
        }
        for secret in ["RELEASE_KEY", "GITLAB_KEY", "BUILDKITE_KEY"] {
            act = act.with("--secret", secret, "a-deploy-key");
        }
        act = act.with("--secret", "GITHUB_TOKEN", "a-token");
        for (name, value) in [
            ("RELEASE_REGION", "us-east-1"),
            ("RELEASE_BUCKET", bucket_name),
            ("RELEASE_KMS_KEY", signer.to_str().unwrap()),
        ] {
            act = act.with("--var", name, value);
        }

        let text = workflow("release.yml");
        assert!(text.contains(CI));
        let text = text.replace(CI, BUILT);
        let text = text.replace(
            "IMAGE: ghcr.io/s3lo/sign-action",
            &format!("IMAGE: {}", registry.image),
        );
        Self {
            workflow: without_actions(&text),
            project,
            registry,
            act,
        }
    }

    fn run(&self) -> Run {
        let event = self.act.file("event.json");
        self.act
            .run(&self.workflow, &["--eventpath", event.to_str().unwrap()])
    }

    /// All that a server has, by name.
    fn refs(&self, server: &str) -> String {
        let folder = self.project.home().join(server);
        self.project
            .git(&format!("ls-remote file://{}", folder.display()))
    }

    fn at(&self, server: &str, name: &str) -> Option<String> {
        let refs = self.refs(server);
        let mut lines = refs.lines();
        let line = lines.find_map(|line| line.strip_suffix(&format!("\t{name}")));
        line.map(str::to_owned)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.act.file("github/log")).unwrap_or_default()
    }
}

#[test]
fn a_release_comes_out_whole_and_a_second_run_changes_nothing() {
    let release = Release::new("release-dry-run");
    let run = release.run();
    assert_eq!(run.code, Some(0), "{}\n{}", run.out, run.err);

    let commit = release.at("server", "refs/tags/v1.2.3").unwrap();
    for (server, tag) in [
        ("server", "1.2.3"),
        ("server", "v1"),
        ("gitlab", "1.2.3"),
        ("buildkite", "v1.2.3"),
    ] {
        let there = release.at(server, &format!("refs/tags/{tag}"));
        assert_eq!(there.as_ref(), Some(&commit), "{server} {tag}");
    }
    let source = release.at("server", "refs/heads/main");
    assert_eq!(release.at("gitlab", "refs/heads/main"), source);
    assert_eq!(release.at("buildkite", "refs/heads/main"), source);

    let (project, image) = (&release.project, &release.registry.image);
    for (name, suffix) in [("action.yml", ""), ("templates/sign.yml", "-shell")] {
        let digest = held(project, &format!("{image}:1.2.3{suffix}"));
        assert_eq!(held(project, &format!("{image}:1{suffix}")), digest);
        project.git(&format!(
            "fetch --quiet file://{} refs/tags/v1.2.3",
            project.home().join("server").display()
        ));
        let released = project.git(&format!("show {commit}:{name}"));
        let pinned = format!("ghcr.io/s3lo/sign-action:1.2.3{suffix}@{digest}");
        assert!(released.contains(&pinned), "{released}");
    }
    let attested = fs::read_to_string(release.act.file("github/attested")).unwrap();
    assert_eq!(attested.lines().count(), 5, "{attested}");
    let files = fs::read_dir(release.act.file("github/assets")).unwrap();
    assert_eq!(files.count(), 4);
    assert_eq!(release.log().matches("edit").count(), 1);

    let before = ["server", "gitlab", "buildkite"].map(|name| release.refs(name));
    let run = release.run();
    assert_eq!(run.code, Some(0), "{}\n{}", run.out, run.err);
    let after = ["server", "gitlab", "buildkite"].map(|name| release.refs(name));
    assert_eq!(before, after);
    assert_eq!(release.log().matches("edit").count(), 1);
}

#[test]
fn the_major_tag_never_moves_to_a_failed_release() {
    let release = Release::new("release-not-passed");
    release.act.write("github/unattested", "");
    let run = release.run();
    assert_eq!(run.code, Some(1), "{}\n{}", run.out, run.err);
    assert!(run.out.contains("no attestations found"), "{}", run.out);
    assert!(release.at("server", "refs/tags/v1.2.3").is_some());
    assert_eq!(release.at("server", "refs/tags/v1"), None);
    let major = ["digest", &format!("{}:1", release.registry.image)];
    assert_ne!(release.project.run("crane", &major).code, Some(0));
    // Once it is mended the same release goes on.
    fs::remove_file(release.act.file("github/unattested")).unwrap();
    let run = release.run();
    assert_eq!(run.code, Some(0), "{}\n{}", run.out, run.err);
    assert!(release.at("server", "refs/tags/v1").is_some());
}

#[test]
fn a_tag_that_names_another_version_releases_nothing() {
    let release = Release::new("release-another-version");
    let event =
        json!({"ref": "refs/tags/release-1.2.4", "after": release.project.git("rev-parse HEAD")});
    release.act.write("event.json", &event.to_string());
    assert_eq!(release.run().code, Some(1));
    assert_eq!(release.refs("server").lines().count(), 2);
    assert_eq!(release.log(), "");
}
