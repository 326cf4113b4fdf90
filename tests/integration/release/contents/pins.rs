//! A release names its images and its binaries by their digests.

use std::fs;
use std::process::Command;

use super::project::{Project, VERSION, digest};
use crate::support::program::Run;
use crate::support::tools::tool;

/// The files that run an image, and which one.
const RUNNING: [(&str, bool); 6] = [
    ("action.yml", false),
    ("verify/action.yml", false),
    ("templates/sign.yml", true),
    ("templates/verify.yml", true),
    (".gitlab-ci.yml", true),
    ("hooks/lib/run.bash", false),
];

fn pinned(shell: bool) -> String {
    let (suffix, digest) = if shell {
        ("-shell", digest('b'))
    } else {
        ("", digest('a'))
    };
    format!("ghcr.io/s3lo/sign-action:{VERSION}{suffix}@{digest}")
}

/// The list of a release's binaries.
const BINARIES: &str = "setup/binaries";

fn pin(project: &Project, version: &str, scratch: &str, shell: &str) -> Run {
    project.release("pin", &[version, scratch, shell, &project.sums()])
}

#[test]
fn everything_that_runs_an_image_names_it_by_version_and_digest() {
    let project = Project::new();
    let printed = pin(&project, VERSION, &digest('a'), &digest('b')).ends_with(0);
    let names = RUNNING.iter().map(|(name, _)| *name);
    let mut names: Vec<_> = names.chain([BINARIES]).collect();
    let mut lines: Vec<_> = printed.out.lines().collect();
    names.sort_unstable();
    lines.sort_unstable();
    assert_eq!(lines, names);
    for (name, shell) in RUNNING {
        let (text, image) = (project.text(name), pinned(shell));
        let named = text.matches("ghcr.io/s3lo/sign-action").count();
        assert_eq!(text.matches(&image).count(), named, "{name}");
        assert!(named > 0, "{name}");
    }
    for name in ["action.yml", "verify/action.yml"] {
        let line = format!("\n  image: docker://{}\n", pinned(false));
        assert!(project.text(name).contains(&line), "{name}");
    }
    // Nothing else is touched: of these files one line each, and two lines are added to the list of binaries.
    let changed = project.git("diff --numstat");
    assert_eq!(changed.lines().count(), RUNNING.len() + 1, "{changed}");
    for line in changed.lines() {
        let added = line == format!("2\t0\t{BINARIES}");
        assert!(added || line.starts_with("1\t1\t"), "{changed}");
    }
    project.release("pinned", &[VERSION]).ends_with(0);
    project.release("pinned", &[]).ends_with(0);
    project.release("pinned", &["1.2.4"]).ends_with(1);
}

#[test]
fn a_file_that_names_no_image_to_be_pinned_stops_the_release() {
    for (name, _) in RUNNING {
        let project = Project::new();
        project.edit(name, |text| {
            let text = text.replace("image: ../Dockerfile", "image: Dockerfile");
            text.replace("image: Dockerfile", "image: docker://example.com/other:1")
                .replace("ghcr.io/s3lo/sign-action", "example.com/other")
        });
        let run = pin(&project, VERSION, &digest('a'), &digest('b')).ends_with(1);
        let what = if name.starts_with("hooks/") {
            "hooks/"
        } else {
            name
        };
        assert!(run.err.contains(what), "{name}: {}", run.err);
    }
}

#[test]
fn what_is_no_version_or_digest_is_never_written() {
    let project = Project::new();
    let (good, other) = (digest('a'), digest('b'));
    for (version, scratch, shell) in [
        ("v1.2.3", good.as_str(), other.as_str()),
        ("1.2", &good, &other),
        (VERSION, "latest", &other),
        (VERSION, &good, "sha256:b"),
        (VERSION, "", &other),
        // The image with a shell in the place of the one without.
        (VERSION, &good, &good),
    ] {
        pin(&project, version, scratch, shell).ends_with(1);
        assert_eq!(project.git("status --porcelain"), "");
    }
    // Sums that lack a binary, or name one twice.
    let sums = project.sums();
    let lines = fs::read_to_string(&sums).unwrap();
    let (amd64, rest) = lines.split_once('\n').unwrap();
    for bad in [
        rest,
        &format!("{amd64}\n{lines}"),
        &lines.replace("  s3lo", " s3lo"),
    ] {
        fs::write(&sums, bad).unwrap();
        let arguments = [VERSION, &good, &other, &sums];
        let run = project.release("pin", &arguments).ends_with(1);
        assert!(run.err.contains("does not name"), "{}", run.err);
        assert_eq!(project.git("status --porcelain"), "");
    }
}

#[test]
fn a_release_lists_its_binaries_by_their_sha_256() {
    let project = Project::new();
    let before = project.text(BINARIES);
    assert!(before.lines().all(|line| line.starts_with('#')), "{before}");
    project.pin();
    let lines = [("1", "amd64"), ("2", "arm64")].map(|(byte, arch)| {
        let releases = "https://github.com/s3lo/sign-action/releases/download";
        format!(
            "{}  {releases}/v{VERSION}/s3lo-linux-{arch}\n",
            byte.repeat(64)
        )
    });
    assert_eq!(project.text(BINARIES), before.clone() + &lines.concat());
    let good = project.text(BINARIES);
    for bad in [
        before,
        good.replace(VERSION, "1.2.4"),
        good.replace("-arm64", "-riscv64"),
        good.replace("1111", "111"),
        format!("{good}{}", good.lines().last().unwrap()),
    ] {
        project.edit(BINARIES, |_| bad);
        let run = project.release("pinned", &[VERSION]).ends_with(1);
        assert!(run.err.contains(BINARIES), "{}", run.err);
        project.edit(BINARIES, |_| good.clone());
    }
}

#[test]
fn an_image_without_a_digest_fails_the_check() {
    let project = Project::new();
    // As it is between releases.
    project.release("pinned", &[]).ends_with(1);
    project.pin();
    for (name, shell) in RUNNING {
        let good = project.text(name);
        let image = pinned(shell);
        let (tag, digest) = image.split_once('@').unwrap();
        for bad in [
            tag.to_owned(),
            format!("{tag}@{}", &digest[..70]),
            tag.replace(VERSION, "latest"),
            format!("ghcr.io/s3lo/sign-action@{digest}"),
        ] {
            project.edit(name, |text| text.replace(&image, &bad));
            let run = project.release("pinned", &[VERSION]).ends_with(1);
            assert!(run.err.contains(name), "{name}: {}", run.err);
            project.edit(name, |_| good.clone());
        }
    }
    // Nor is an action whose image is built at each run.
    project.edit("action.yml", |text| {
        text.replace(&format!("docker://{}", pinned(false)), "Dockerfile")
    });
    project.release("pinned", &[VERSION]).ends_with(1);
}

#[test]
fn what_is_released_passes_the_linters_with_nothing_ignored() {
    let project = Project::new();
    project.pin();
    let zizmor = ["--offline", "--no-progress", "--no-ignores"];
    let actions = [".github", "action.yml", "verify/action.yml"];
    project
        .run(tool("zizmor"), &[&zizmor[..], &actions[..]].concat())
        .ends_with(0);
    let output = Command::new(tool("actionlint"))
        .current_dir(project.path())
        .output();
    let output = output.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
