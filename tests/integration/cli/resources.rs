//! Running out: of files, and of time where a file system does not answer.

use std::process::Command;
use std::time::{Duration, Instant};

use s3lo_test_servers::s3::S3Server;

use crate::support::MANIFEST;
use crate::support::aws_fixture::{AwsFixture, SIGN};
use crate::support::mount::Mount;
use crate::support::program::{Run, Sandbox, finish};

/// Runs the program with a limit of open files, set by `ulimit` with these arguments.
fn limited(sandbox: &Sandbox, limit: &str, line: &str) -> Run {
    let script = format!("ulimit {limit}; exec \"$0\" {line}");
    let mut command = sandbox.in_sandbox(Command::new("sh"));
    command.args(["-c", &script, env!("CARGO_BIN_EXE_s3lo")]);
    finish(command.spawn().unwrap())
}

const IMAGES: usize = 150;

fn line(command: &str, store: &str) -> String {
    let references = (0..IMAGES).map(|number| format!("{store}/many:v{number}"));
    let references: Vec<_> = references.collect();
    format!(
        "{command} --key plain.key --concurrency {IMAGES} {}",
        references.join(" ")
    )
}

#[test]
fn a_few_open_files_are_enough_for_any_concurrency() {
    let server = S3Server::start();
    let sandbox = Sandbox::new()
        .with("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .with("AWS_SECRET_ACCESS_KEY", "secret");
    sandbox.write("plain.key", crate::support::plain_key());
    for number in 0..IMAGES {
        let path = format!("/my-bucket/manifests/many/v{number}/manifest.json");
        server.put(&path, MANIFEST.as_bytes());
        sandbox.push("many", &format!("v{number}"), MANIFEST);
    }

    let (bucket, endpoint) = ("s3://my-bucket", format!("--endpoint {}", server.endpoint));
    for (limit, command) in [("-n 200", "sign"), ("-Sn 100", "verify")] {
        let in_bucket = format!("{} {endpoint}", line(command, bucket));
        limited(&sandbox, limit, &in_bucket).ends_with(0);
        let in_directory = line(command, "local://./store");
        limited(&sandbox, limit, &in_directory).ends_with(0);
    }
}

#[test]
fn the_soft_limit_of_open_files_is_raised() {
    let sandbox = Sandbox::with_image();
    // A child has the limits of the program.
    sandbox.write(
        "config",
        "[default]\ncredential_process = ulimit -Sn >limit; false\n",
    );
    let sandbox = sandbox
        .with("AWS_CONFIG_FILE", "config")
        .with("PATH", "/usr/bin:/bin");
    let line =
        "verify s3://my-bucket/myapp:v1.0 --key keys/cosign.pub --endpoint http://127.0.0.1:1";
    limited(&sandbox, "-Sn 100; ulimit -Hn 400", line).ends_with(2);
    let limit = std::fs::read_to_string(sandbox.file("limit")).unwrap();
    assert_eq!(limit.trim(), "400");
}

#[test]
fn a_pipe_in_a_default_place_does_not_block_the_run() {
    for file in [
        ".aws/config",
        ".aws/credentials",
        ".aws/sso/cache/0123456789abcdef0123456789abcdef01234567.json",
    ] {
        let mut aws = AwsFixture::new();
        aws.sandbox.write(&format!("{file}.beside"), "");
        for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
            aws.sandbox.unset(name);
        }
        let home = aws.sandbox.path().to_str().unwrap().to_owned();
        aws.sandbox.set("HOME", &home);
        let made = Command::new("mkfifo").arg(aws.sandbox.file(file)).status();
        assert!(made.unwrap().success());
        let run = aws.s3lo(&format!("{SIGN} --timeout 20s")).ends_with(2);
        assert!(
            run.err.contains(file) && run.err.contains("not a regular file"),
            "{}",
            run.err
        );
    }
}

/// Runs a command line, which must end long before a file system answers.
#[track_caller]
fn times_out(sandbox: &Sandbox, line: &str) -> Run {
    let begun = Instant::now();
    let run = sandbox
        .s3lo(&format!("{line} --timeout 1s -o json"))
        .ends_with(2);
    assert!(begun.elapsed() < Duration::from_secs(20), "{line}");
    assert_eq!(
        run.json()["error"]["code"],
        "timed_out",
        "{line}: {}",
        run.out
    );
    run
}

#[test]
fn a_file_system_that_does_not_answer_delays_no_run() {
    let mount = Mount::rclone("writes");
    std::fs::create_dir(mount.path().join(".aws")).unwrap();
    std::fs::write(mount.path().join(".aws/config"), "[default]\n").unwrap();
    let stopped = mount.stop();
    let mut aws = AwsFixture::new();
    for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        aws.sandbox.unset(name);
    }
    aws.sandbox.set("HOME", mount.path().to_str().unwrap());
    let run = times_out(&aws.sandbox, SIGN);
    assert!(run.out.contains(".aws/config"), "{}", run.out);
    // Nor does the place of a key, a token or a store.
    let sandbox = Sandbox::with_image();
    std::os::unix::fs::symlink(mount.path(), sandbox.file("mount")).unwrap();
    for line in [
        "sign local://./store/myapp:v1.0 --key mount/cosign.key",
        "public-key --key mount/cosign.key",
        "sign local://./mount/myapp:v1.0 --key keys/cosign.key",
    ] {
        times_out(&sandbox, line);
    }
    drop(stopped);
}
