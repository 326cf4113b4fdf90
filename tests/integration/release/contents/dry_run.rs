//! The workflow of the release, run from its tag to its last job: its own scripts, outputs and order, a registry, a bucket
//! and git servers of this machine, and a stand-in for the services that only GitHub has.

use std::fs;

use serde_json::json;

use super::images::{Registry, bucket, held, layout, trusting};
use super::project::{Project, VERSION};
use super::stand_ins::STAND_INS;
use crate::ci::act::runner::{Act, without_actions, workflow};
use crate::support::program::Run;
use crate::support::tools::tool;
use crate::support::{minio, vectors};

/// The jobs that build and try the programs are those of `ci`, which has tests of its own.
const CI: &str = "    uses: ./.github/workflows/ci.yml\n    permissions:\n      contents: read\n";
const BUILT: &str = r##"    runs-on: ubuntu-24.04
    outputs:
      amd64: ${{ steps.built.outputs.amd64 }}
      arm64: ${{ steps.built.outputs.arm64 }}
    steps:
      - id: built
        run: |
          for arch in amd64 arm64; do
            echo "$arch=$(sha256sum <"$PROGRAM" | cut -c 1-64)" >>"$GITHUB_OUTPUT"
            install -D "$PROGRAM" "$ARTIFACTS/s3lo-linux-$arch/s3lo"
          done
          if [ -e "$GITHUB/replaced" ]; then echo '# another' >>"$ARTIFACTS/s3lo-linux-arm64/s3lo"; fi
"##;
/// A role that would be assumed at AWS.
const ROLE: &str = "          role-to-assume: ${{ vars.RELEASE_SIGN_ROLE }}\n";

/// Without Sigstore cosign signs with a key.
const COSIGN: &str = r#"case $1 in
  sign) shift; exec "$COSIGN" sign --key "$KEYS/cosign.key" --use-signing-config=false --tlog-upload=false --allow-http-registry "$@" ;;
  verify) exec "$COSIGN" verify --key "$KEYS/cosign.pub" --insecure-ignore-tlog=true --allow-http-registry "$2" ;;
esac"#;

/// This repository, its mirrors, and the tap of Homebrew.
const SERVERS: [&str; 4] = ["server", "gitlab", "buildkite", "tap"];

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
        let servers = SERVERS.map(|name| project.server(name));
        project.git(&format!("push --quiet {} main", servers[0]));
        let urls = [
            "git@github.com:s3lo/sign-action.git",
            "git@gitlab.com:s3lo/sign-action.git",
            "git@github.com:s3lo/s3lo-sign-buildkite-plugin.git",
            "git@github.com:s3lo/homebrew-tap.git",
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

        fs::remove_file(act.file("bin/s3lo")).unwrap();
        for (name, script) in STAND_INS {
            act.program(name, script);
        }
        act.program("cosign", COSIGN);
        act.program("cargo", r#"exec "$TOOLCHAIN/cargo" "$@""#);
        act.program("rustc", r#"exec "$TOOLCHAIN/rustc" "$@""#);
        std::os::unix::fs::symlink(tool("nfpm"), act.file("bin/nfpm")).unwrap();
        act.write("github/setting", "true\n");
        act.write("github/version", &format!("s3lo {VERSION}\n"));
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
            ("PROGRAM", act.file("bin/s3lo").to_str().unwrap().to_owned()),
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
        for secret in ["RELEASE_KEY", "GITLAB_KEY", "BUILDKITE_KEY", "HOMEBREW_KEY"] {
            act = act.with("--secret", secret, "a-deploy-key");
        }
        act = act.with("--secret", "GITHUB_TOKEN", "a-token");
        for (name, value) in [
            ("RELEASE_REGION", "us-east-1"),
            ("RELEASE_BUCKET", bucket_name),
            ("RELEASE_KMS_KEY", signer.to_str().unwrap()),
            ("RELEASE_STORE_ROLE", "arn:aws:iam::111122223333:role/store"),
            ("RELEASE_SIGN_ROLE", "arn:aws:iam::111122223333:role/sign"),
        ] {
            act = act.with("--var", name, value);
        }

        let text = workflow("release.yml");
        assert!(text.contains(CI));
        assert_eq!(text.matches(ROLE).count(), 2);
        let text = text.replace(CI, BUILT).replace(ROLE, "");
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

    /// Runs the workflow, as a new attempt: it has no artifacts yet.
    fn run(&self) -> Run {
        let _ = fs::remove_dir_all(self.act.file("artifacts"));
        fs::create_dir(self.act.file("artifacts")).unwrap();
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
    // Two programs, three packages for each architecture, the bill of materials and the checksums.
    assert_eq!(files.count(), 2 + 6 + 2);
    assert_eq!(release.log().matches("edit").count(), 1);

    let latest = fs::read_to_string(release.act.file("github/latest")).unwrap();
    assert_eq!(latest, "true\n");
    let sums = fs::read_to_string(release.act.file("github/assets/SHA256SUMS")).unwrap();
    let binaries = project.git(&format!("show {commit}:setup/binaries"));
    let formula = project.home().join("tap");
    let formula = project.git(&format!(
        "-C {} show main:Formula/s3lo.rb",
        formula.display()
    ));
    for line in sums.lines().filter(|line| line.contains("s3lo-linux-")) {
        let (hash, name) = line.split_once("  ").unwrap();
        assert!(binaries.contains(hash), "{name}: {binaries}");
        assert!(formula.contains(hash), "{name}: {formula}");
    }

    let before = SERVERS.map(|name| release.refs(name));
    for _ in 0..2 {
        let run = release.run();
        assert_eq!(run.code, Some(0), "{}\n{}", run.out, run.err);
        assert_eq!(SERVERS.map(|name| release.refs(name)), before);
        assert_eq!(release.log().matches("edit").count(), 1);
    }
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

/// Nothing that cannot be taken back.
#[track_caller]
fn assert_nothing_is_published(release: &Release, run: &Run) {
    assert_eq!(run.code, Some(1), "{}\n{}", run.out, run.err);
    assert_eq!(release.refs("server").lines().count(), 2);
    let image = ["digest", &format!("{}:{VERSION}", release.registry.image)];
    assert_ne!(release.project.run("crane", &image).code, Some(0));
    assert_eq!(release.log(), "");
}

#[test]
fn a_program_that_was_replaced_after_it_was_built_is_not_packaged() {
    let release = Release::new("release-replaced");
    release.act.write("github/replaced", "");
    let run = release.run();
    assert_nothing_is_published(&release, &run);
    let expected = "programs/s3lo-linux-arm64/s3lo: FAILED";
    assert!(run.out.contains(expected), "{}", run.out);
}

#[test]
fn a_program_that_does_not_work_is_not_published() {
    let release = Release::new("release-not-working");
    release.act.write("github/version", "s3lo 1.2.2\n");
    let run = release.run();
    assert_nothing_is_published(&release, &run);
    let expected = format!("the program is not of version {VERSION}");
    assert!(run.out.contains(&expected), "{}", run.out);
}

#[test]
fn a_release_without_its_prerequisites_builds_nothing() {
    let mut release = Release::new("release-not-prepared");
    let key = "HOMEBREW_KEY=a-deploy-key";
    release.act.without(key);
    let run = release.run();
    assert_nothing_is_published(&release, &run);
    assert!(run.out.contains("DEPLOY_KEY is empty"), "{}", run.out);
    assert!(!release.act.file("artifacts/files").exists());
}

#[test]
fn a_tag_that_names_another_version_releases_nothing() {
    let release = Release::new("release-another-version");
    let event =
        json!({"ref": "refs/tags/release-1.2.4", "after": release.project.git("rev-parse HEAD")});
    release.act.write("event.json", &event.to_string());
    let run = release.run();
    assert_nothing_is_published(&release, &run);
}
