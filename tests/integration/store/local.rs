//! `local://`: no link leads out, nothing is torn, nothing is left behind.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::program::{Sandbox, finish};
use crate::support::{MANIFEST, files};

const REF: &str = "local://./store/myapp:v1.0";
const RECORDS: &str = "store/manifests/myapp/v1.0/signatures";
const RECORD: &str = "store/manifests/myapp/v1.0/signatures/d78a77d897aeffc7.json";

#[test]
fn a_link_below_the_root_is_not_followed() {
    for link in [
        "store/manifests",
        "store/manifests/myapp",
        "store/manifests/myapp/v1.0",
        "store/manifests/myapp/v1.0/manifest.json",
    ] {
        let sandbox = Sandbox::with_image();
        let outside = sandbox.file("outside");
        fs::rename(sandbox.file(link), &outside).unwrap();
        symlink(&outside, sandbox.file(link)).unwrap();
        // The link's target is no part of the store: it is not signed, and its verdict is always negative.
        let code = sandbox
            .s3lo(&format!("sign {REF} --key keys/cosign.key -o json"))
            .ends_with(2);
        assert!(
            ["symbolic_link", "not_a_manifest"]
                .contains(&code.json()["error"]["code"].as_str().unwrap())
        );
        sandbox
            .s3lo(&format!("verify {REF} --key keys/cosign.key"))
            .ends_with(1);
        assert!(
            !files(&outside)
                .iter()
                .any(|name| name.contains("signatures"))
        );
    }
}

#[test]
fn a_file_in_the_place_of_a_directory_is_named() {
    let sandbox = Sandbox::with_image();
    sandbox.write(RECORDS, "junk");
    let run = sandbox.s3lo(&format!("sign {REF} --key keys/cosign.key -o json"));
    let error = run.ends_with(2).json()["error"].take();
    assert_eq!(error["code"], "not_a_directory", "{error}");
    assert!(error["message"].as_str().unwrap().contains(RECORD));
    // A writer of the directory put it there.
    sandbox
        .s3lo(&format!("verify {REF} --key keys/cosign.pub"))
        .ends_with(1);
}

#[test]
fn a_linked_signatures_folder_or_record_is_not_followed() {
    let sandbox = Sandbox::with_image();
    fs::create_dir(sandbox.file("outside")).unwrap();
    symlink(sandbox.file("outside"), sandbox.file(RECORDS)).unwrap();
    sandbox
        .s3lo(&format!("sign {REF} --key keys/cosign.key"))
        .ends_with(2);
    assert_eq!(files(&sandbox.file("outside")), Vec::<String>::new());

    let sandbox = Sandbox::with_image();
    fs::create_dir(sandbox.file(RECORDS)).unwrap();
    sandbox.write("outside.json", "untouched");
    symlink(sandbox.file("outside.json"), sandbox.file(RECORD)).unwrap();
    sandbox
        .s3lo(&format!("verify {REF} --key keys/cosign.pub"))
        .ends_with(1);
    // The link itself is replaced, as any other record that is not valid.
    sandbox
        .s3lo(&format!("sign {REF} --key keys/cosign.key"))
        .ends_with(0);
    assert_eq!(
        fs::read_to_string(sandbox.file("outside.json")).unwrap(),
        "untouched"
    );
    assert!(!sandbox.file(RECORD).is_symlink());
}

#[test]
fn the_root_itself_may_be_a_link() {
    let sandbox = Sandbox::with_image();
    symlink("store", sandbox.file("link")).unwrap();
    sandbox
        .s3lo("sign local://./link/myapp:v1.0 --key keys/cosign.key")
        .ends_with(0);
    sandbox
        .s3lo(&format!("verify {REF} --key keys/cosign.pub"))
        .ends_with(0);
}

/// A helper process that has done something to a file, until its input ends.
struct Holder(std::process::Child);

impl Holder {
    /// Runs a line of Python on the file `f`.
    fn of(path: &Path, line: &str) -> Self {
        use std::io::Read as _;
        let script = format!(
            "import fcntl, os, sys\nf = sys.argv[1]\n{line}\nprint('.', flush=True)\nsys.stdin.read()"
        );
        let mut child = Command::new("python3")
            .args(["-c", &script])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is missing: install it");
        let mut ready = [0];
        let out = child.stdout.as_mut().unwrap();
        out.read_exact(&mut ready).unwrap();
        Self(child)
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

type Make = fn(&Path) -> Option<Holder>;

/// Everything but a regular file, or a file that cannot be read as one.
const NO_FILES: [(&str, Make); 5] = [
    ("a directory", |path| {
        fs::create_dir(path).unwrap();
        None
    }),
    ("a pipe", |path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        None
    }),
    ("a socket", |path| {
        drop(UnixListener::bind(path).unwrap());
        None
    }),
    ("a link", |path| {
        symlink("/dev/zero", path).unwrap();
        None
    }),
    ("a file with a lease", |path| {
        fs::write(path, "{}").unwrap();
        let line = "fd = os.open(f, os.O_WRONLY); fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)";
        let line = format!("import signal\nsignal.signal(signal.SIGIO, signal.SIG_IGN)\n{line}");
        Some(Holder::of(path, &line))
    }),
];

#[test]
fn what_is_not_a_file_is_no_record_and_gives_way_to_one() {
    for (name, make) in NO_FILES {
        let sandbox = Sandbox::with_image();
        fs::create_dir(sandbox.file(RECORDS)).unwrap();
        let holder = make(&sandbox.file(RECORD));
        let verify = format!("verify {REF} --key keys/cosign.pub");
        let run = sandbox.s3lo(&verify).ends_with(1);
        assert!(
            run.err.contains("malformed signature record"),
            "{name}: {}",
            run.err
        );
        let sign = sandbox.s3lo(&format!("sign {REF} --key keys/cosign.key"));
        if name == "a directory" {
            // A rename does not replace one.
            let run = sign.ends_with(2);
            assert!(run.err.contains("not a regular file"), "{}", run.err);
        } else {
            sign.ends_with(0);
            sandbox.s3lo(&verify).ends_with(0);
            assert_eq!(files(&sandbox.file(RECORDS)), ["d78a77d897aeffc7.json"]);
        }
        holder.into_iter().for_each(Holder::end);
    }
}

#[test]
fn what_is_not_a_file_is_no_manifest() {
    for (name, make) in NO_FILES {
        let sandbox = Sandbox::with_image();
        sandbox
            .s3lo(&format!("sign {REF} --key keys/cosign.key"))
            .ends_with(0);
        let manifest = sandbox.file("store/manifests/myapp/v1.0/manifest.json");
        fs::remove_file(&manifest).unwrap();
        let holder = make(&manifest);
        let run = sandbox.s3lo(&format!("verify {REF} --key keys/cosign.pub"));
        assert!(run.code == Some(1), "{name}: {}", run.err);
        sandbox
            .s3lo(&format!("sign {REF} --key keys/cosign.key"))
            .ends_with(2);
        holder.into_iter().for_each(Holder::end);
    }
}

/// A lock with which a reader of a directory can obstruct its writers.
const READERS_LOCK: &str = "fd = os.open(f, os.O_RDONLY); fcntl.flock(fd, fcntl.LOCK_SH)";

#[test]
fn a_lock_that_stays_is_reported_with_the_process_that_has_it() {
    let sandbox = Sandbox::with_image();
    sandbox.write("plain.key", crate::support::plain_key());
    fs::create_dir(sandbox.file(RECORDS)).unwrap();
    let holder = Holder::of(&sandbox.file(RECORDS), READERS_LOCK);
    let run = sandbox
        .s3lo(&format!("sign {REF} --key plain.key --timeout 3s"))
        .ends_with(2);
    let text = run.err.replace(&holder.0.id().to_string(), "PID");
    insta::assert_snapshot!(text);
    let line = format!("sign {REF} --key plain.key --timeout 3s -o json");
    let run = sandbox.s3lo(&line).ends_with(2);
    assert_eq!(run.json()["error"]["code"], "locked");
    // It stops no reader.
    sandbox
        .s3lo(&format!("verify {REF} --key keys/cosign.pub"))
        .ends_with(1);
    holder.end();
    sandbox
        .s3lo(&format!("sign {REF} --key plain.key"))
        .ends_with(0);
}

#[test]
fn a_lock_that_is_given_back_is_waited_for() {
    use std::io::{BufRead as _, BufReader};
    for mode in ["keep", "replace"] {
        let sandbox = Sandbox::with_image();
        sandbox.write("plain.key", crate::support::plain_key());
        let sign = ["sign", REF, "--key", "plain.key", "--if-signed", mode];
        sandbox.run(&sign).ends_with(0);
        if mode == "keep" {
            let records = files(&sandbox.file(RECORDS));
            fs::remove_file(sandbox.file(RECORDS).join(&records[0])).unwrap();
        }
        let holder = Holder::of(&sandbox.file(RECORDS), READERS_LOCK);
        let mut child = sandbox.start(&[&sign[..], &["--verbose"]].concat());
        let err = BufReader::new(child.stderr.take().unwrap());
        let mut lines = err.lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains("the directory is locked")));
        holder.end();
        lines.for_each(drop);
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_file_in_place_of_the_records_folder_has_no_records() {
    let sandbox = Sandbox::with_image();
    sandbox.write(RECORDS, "not a folder");
    sandbox
        .s3lo(&format!("verify {REF} --key keys/cosign.pub"))
        .ends_with(1);
    sandbox
        .s3lo(&format!("sign {REF} --key keys/cosign.key"))
        .ends_with(2);
}

#[test]
fn a_record_that_may_not_be_read_is_not_taken_for_absent_in_a_crowd() {
    // Another user's record, in a folder of more names than a listing gives.
    let sandbox = Sandbox::with_image();
    sandbox
        .s3lo(&format!("sign {REF} --key keys/cosign.key"))
        .ends_with(0);
    for number in 0..1200 {
        sandbox.write(&format!("{RECORDS}/{number:016x}.json"), "{}");
    }
    let script = "chmod 600 store/manifests/myapp/v1.0/signatures/d78a77d897aeffc7.json
        code=0; setpriv --reuid 65534 --clear-groups $S3LO verify local://./store/myapp:v1.0 --key keys/cosign.pub || code=$?
        exit $code";
    // In a namespace where only this user is mapped, no other one can be become.
    let output = Command::new("sh")
        .args([
            "-c",
            &format!("[ \"$(id -u)\" = 0 ] || exit 2\nchmod 755 .\n{script}"),
        ])
        .current_dir(sandbox.path())
        .env("S3LO", env!("CARGO_BIN_EXE_s3lo"))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{printed}");
}

#[test]
fn a_signature_leaves_one_file_and_nothing_else() {
    let sandbox = Sandbox::with_image();
    for mode in ["keep", "replace", "replace"] {
        sandbox
            .s3lo(&format!(
                "sign {REF} --key keys/cosign.key --if-signed {mode}"
            ))
            .ends_with(0);
        assert_eq!(files(&sandbox.file(RECORDS)), ["d78a77d897aeffc7.json"]);
    }
}

#[test]
fn an_orphan_of_a_killed_signer_is_removed_when_it_is_old() {
    let sandbox = Sandbox::with_image();
    let names = [".s3lo.0123456789abcdef.tmp", ".s3lo.fedcba9876543210.tmp"];
    for name in names {
        sandbox.write(&format!("{RECORDS}/{name}"), "half a rec");
    }
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 60 * 60);
    let orphan = sandbox.file(&format!("{RECORDS}/{}", names[0]));
    let orphan = fs::File::options().write(true).open(orphan);
    orphan.unwrap().set_modified(old).unwrap();
    sandbox
        .s3lo(&format!("sign {REF} --key keys/cosign.key"))
        .ends_with(0);
    // The other one may be a draft of a signer on another machine.
    let left = files(&sandbox.file(RECORDS));
    assert_eq!(left, [names[1], "d78a77d897aeffc7.json"]);
}

/// Kills signers ever later, so that death comes at every stage, the write included.
#[test]
fn a_signer_killed_at_any_moment_leaves_no_record_or_a_valid_one() {
    let plain = |sandbox: &Sandbox| {
        sandbox.write("plain.key", crate::support::plain_key());
        let run = sandbox.s3lo("public-key --key plain.key").ends_with(0);
        sandbox.write("plain.pub", run.out);
    };
    // How long a whole run takes here and now: the kills span it, and a little more.
    let sandbox = Sandbox::with_image();
    plain(&sandbox);
    let whole = (0..5)
        .map(|_| {
            let begun = std::time::Instant::now();
            sandbox
                .s3lo(&format!("sign {REF} --key plain.key --if-signed replace"))
                .ends_with(0);
            begun.elapsed()
        })
        .max()
        .unwrap();
    let (mut none, mut valid) = (0, 0);
    for mode in ["keep", "replace"] {
        for step in 0..150_u32 {
            let sandbox = Sandbox::with_image();
            plain(&sandbox);
            if mode == "replace" {
                sandbox
                    .s3lo(&format!("sign {REF} --key plain.key"))
                    .ends_with(0);
            }
            let mut child =
                sandbox.start(&["sign", REF, "--key", "plain.key", "--if-signed", mode]);
            // A busy wait: a sleep is too coarse for a run of a few milliseconds.
            let begun = std::time::Instant::now();
            while begun.elapsed() < whole * step / 100 {}
            child.kill().unwrap();
            finish(child);
            let records: Vec<_> = files(&sandbox.file(RECORDS))
                .into_iter()
                .filter(|name| !name.starts_with('.'))
                .collect();
            match records.as_slice() {
                [] if mode == "keep" => none += 1,
                [_] => {
                    sandbox
                        .s3lo(&format!("verify {REF} --key plain.pub"))
                        .ends_with(0);
                    valid += 1;
                }
                other => panic!("{mode}: {other:?}"),
            }
            // A leftover name is not in the way.
            sandbox
                .s3lo(&format!("sign {REF} --key plain.key --if-signed replace"))
                .ends_with(0);
        }
    }
    println!("killed 300 signers: {none} left no record, {valid} a valid one");
    assert!(none > 0 && valid > 150, "the kills did not span the run");
}

/// Runs a script in a mount namespace of its own, where `$S3LO` is the program.
fn in_own_namespace(sandbox: &Sandbox, script: &str) -> (i32, String) {
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-euc", script])
        .current_dir(sandbox.path())
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("S3LO", env!("CARGO_BIN_EXE_s3lo"))
        .env("COSIGN_PASSWORD", "secret")
        .output()
        .expect("`unshare` is missing: it is part of util-linux");
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let sandbox = Sandbox::with_image();
    let (code, text) = in_own_namespace(
        &sandbox,
        "mkdir disk && mount -t tmpfs -o size=64k tmpfs disk
         cp -r store/manifests disk/
         mkdir disk/manifests/myapp/v1.0/signatures
         dd if=/dev/zero of=disk/filler bs=1k 2>/dev/null || true
         code=0; $S3LO sign local://./disk/myapp:v1.0 --key keys/cosign.key || code=$?
         echo left: $(ls -A disk/manifests/myapp/v1.0/signatures)
         rm disk/filler
         $S3LO sign local://./disk/myapp:v1.0 --key keys/cosign.key >/dev/null
         exit $code",
    );
    assert_eq!(code, 2, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_read_only_file_system_can_be_verified_and_not_signed_in() {
    let sandbox = Sandbox::with_image();
    sandbox
        .s3lo(&format!("sign {REF} --key keys/cosign.key"))
        .ends_with(0);
    let (code, text) = in_own_namespace(
        &sandbox,
        "mkdir disk && mount -t tmpfs tmpfs disk && cp -r store/manifests disk/
         mount -o remount,ro disk
         $S3LO verify local://./disk/myapp:v1.0 --key keys/cosign.pub >/dev/null
         code=0; $S3LO sign local://./disk/myapp:v1.0 --key keys/p384.key || code=$?
         exit $code",
    );
    assert_eq!(code, 2, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_file_system_without_unnamed_files_and_a_machine_without_proc_serve_as_well() {
    let sandbox = Sandbox::with_image();
    let (code, text) = in_own_namespace(
        &sandbox,
        "mount -t tmpfs tmpfs /proc
         $S3LO -q sign local://./store/myapp:v1.0 --key keys/cosign.key
         $S3LO -q sign local://./store/myapp:v1.0 --key keys/cosign.key --if-signed replace
         $S3LO verify local://./store/myapp:v1.0 --key keys/cosign.pub >/dev/null
         ls -A store/manifests/myapp/v1.0/signatures",
    );
    assert_eq!((code, text.as_str()), (0, "d78a77d897aeffc7.json\n"));
}

#[test]
fn an_image_name_is_a_path_and_not_a_pattern() {
    let sandbox = Sandbox::new();
    for (image, tag) in [
        ("a b/c", "v 1"),
        ("ünï/cödé", "🔑"),
        ("a*", "?"),
        ("-rf", "--"),
    ] {
        sandbox.push(image, tag, MANIFEST);
        let reference = format!("local://./store/{image}:{tag}");
        sandbox
            .run(&["sign", &reference, "--key", "keys/cosign.key"])
            .ends_with(0);
        sandbox
            .run(&["verify", &reference, "--key", "keys/cosign.pub"])
            .ends_with(0);
    }
}
