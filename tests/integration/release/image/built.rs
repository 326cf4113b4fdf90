//! The images, made once, and containers of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use super::{root, unpacked};
use crate::support::tools::{on_path, release_program};

pub(super) const VERSION: &str = "1.2.3";
pub(super) const REVISION: &str = "ffac537e6cbbf934b08745a378932722df287a53";

/// The name of this machine's architecture in images.
pub(crate) fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => panic!("there is no image for {other}"),
    }
}

/// Makes both images at `out`, under an umask.
#[track_caller]
pub(super) fn make(out: &Path, program: &Path, umask: &str) {
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"umask "$0" && exec "$@""#, umask])
        .arg(root().join("packaging/image"))
        .arg(out)
        .arg(format!("{}={}", arch(), program.display()))
        .env("BUSYBOX", on_path("busybox"));
    make_by(&mut command);
}

/// Runs `packaging/image`.
#[track_caller]
pub(super) fn make_by(command: &mut Command) {
    let output = command
        .env("VERSION", VERSION)
        .env("REVISION", REVISION)
        .env_remove("SOURCE_DATE_EPOCH")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "packaging/image: {printed}");
}

/// A folder with images, as the OCI lays them out.
pub(super) struct Layout {
    folder: PathBuf,
}

/// One of them.
pub(super) struct Image {
    pub(super) config: Value,
    pub(super) layers: Vec<Layer>,
    /// How many bytes a pull fetches.
    pub(super) fetched: usize,
}

pub(super) struct Layer {
    /// Compressed, as it is fetched.
    pub(super) digest: String,
    pub(super) tar: Vec<u8>,
}

/// A file or a folder in a layer, as `tar` lists it.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) mode: String,
    pub(super) owner: String,
}

impl Entry {
    pub(super) fn is_folder(&self) -> bool {
        self.mode.starts_with('d')
    }
}

/// The images of this run.
pub(super) struct Made {
    pub(super) layout: Layout,
    images: BTreeMap<&'static str, Image>,
    /// Ends with the process.
    _sweeper: Child,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap().keep();
    // Statics are never dropped, so a shell waits for our end of the pipe to close, and then removes it.
    let sweeper = Command::new("sh")
        .args(["-c", r#"read -r _; rm -rf "$0""#])
        .arg(&folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let out = folder.join("out");
    make(&out, &release_program(), "022");
    let layout = Layout::at(&out);
    Made {
        images: ["scratch", "shell"]
            .map(|name| (name, layout.image(name)))
            .into(),
        layout,
        _sweeper: sweeper,
    }
});

/// The images, made when first asked for.
pub(super) fn made() -> &'static Made {
    &MADE
}

/// One of them.
pub(super) fn image(name: &str) -> &'static Image {
    &made().images[name]
}

impl Layout {
    pub(super) fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    fn blob(&self, digest: &str) -> Vec<u8> {
        let path = self.folder.join("blobs").join(digest.replace(':', "/"));
        fs::read(path).unwrap()
    }

    fn json(&self, digest: &str) -> Value {
        serde_json::from_slice(&self.blob(digest)).unwrap()
    }

    /// The digest of an index.
    pub(super) fn digest(&self, name: &str) -> String {
        let layout: Value =
            serde_json::from_slice(&fs::read(self.folder.join("index.json")).unwrap()).unwrap();
        let of_name =
            |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == name;
        let found = layout["manifests"].as_array().unwrap().iter().find(of_name);
        text(&found.unwrap()["digest"])
    }

    /// The one image of an index.
    fn image(&self, name: &str) -> Image {
        let mut images = self.images(name);
        let image = images.remove(arch()).unwrap();
        assert!(images.is_empty(), "there are others than {}", arch());
        image
    }

    /// The images of an index, by their architectures.
    pub(super) fn images(&self, name: &str) -> BTreeMap<String, Image> {
        let index = self.json(&self.digest(name));
        let manifests = index["manifests"].as_array().unwrap().iter();
        let images = manifests.map(|entry| {
            let image = self.image_of(&text(&entry["digest"]));
            (text(&entry["platform"]["architecture"]), image)
        });
        images.collect()
    }

    fn image_of(&self, digest: &str) -> Image {
        let manifest = self.json(digest);
        let layers = manifest["layers"].as_array().unwrap();
        let layers = layers.iter().map(|layer| {
            let digest = text(&layer["digest"]);
            let tar = unpacked(&self.blob(&digest));
            Layer { digest, tar }
        });
        let layers: Vec<_> = layers.collect();
        let config = text(&manifest["config"]["digest"]);
        let blobs = layers.iter().map(|layer| layer.digest.as_str());
        let blobs = blobs.chain([config.as_str(), digest]);
        Image {
            fetched: blobs.map(|digest| self.blob(digest).len()).sum(),
            config: self.json(&config),
            layers,
        }
    }
}

impl Layer {
    /// Everything in it, by name.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let list = tar(&["--list", "--verbose", "--numeric-owner"], &self.tar);
        let list = String::from_utf8(list).unwrap();
        let mut entries: Vec<_> = list
            .lines()
            .map(|line| {
                let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
                let [mode, owner, _size, _day, _time, name] = <[_; 6]>::try_from(words).unwrap();
                Entry { name, mode, owner }
            })
            .collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries
    }

    pub(super) fn file(&self, name: &str) -> Vec<u8> {
        tar(&["--extract", "--to-stdout", name], &self.tar)
    }

    /// Puts all of it into a folder.
    fn unpack(&self, folder: &Path) {
        tar(
            &["--extract", "--directory", folder.to_str().unwrap()],
            &self.tar,
        );
    }
}

fn tar(arguments: &[&str], archive: &[u8]) -> Vec<u8> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(archive).unwrap();
    let output = Command::new("tar")
        .args(arguments)
        .arg("--file")
        .arg(file.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}");
    output.stdout
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A container of one of the images: its files as the root of a process, on the network of this machine.
///
/// Not one of buildah's: those that need no privilege occasionally lose the last output of a process.
pub(super) struct Container {
    root: TempDir,
    config: Value,
}

impl Container {
    pub(super) fn of(name: &str) -> Self {
        let root = TempDir::new().unwrap();
        let image = image(name);
        for layer in &image.layers {
            layer.unpack(root.path());
        }
        let config = image.config["config"].clone();
        Self { root, config }
    }

    /// A command in it: with folders and files of this machine at paths of the container, in this environment
    /// and that of the image, at a folder.
    pub(super) fn command(
        &self,
        mounts: &[(&Path, &str)],
        variables: &[(String, String)],
        folder: &str,
        command: &[impl AsRef<str>],
    ) -> Command {
        // The variables are arguments until the end: a shell drops those whose names have dashes.
        let script = r#"
            set -e
            root=$1; shift
            while [ "$1" != -- ]; do
                if [ -d "$1" ]; then mkdir -p "$root$2"; else : >>"$root$2"; fi
                mount --rbind "$1" "$root$2"
                shift 2
            done
            shift
            exec env -i "$@"
        "#;
        let mut run = Command::new("unshare");
        run.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]);
        run.arg(self.root.path());
        // Every engine gives these.
        let of_every = ["/dev", "/proc"].map(|path| (Path::new(path), path));
        for (here, there) in of_every.iter().chain(mounts) {
            run.arg(here).arg(there);
        }
        run.arg("--").args(self.words("Env"));
        run.args(
            variables
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        run.arg("unshare")
            .arg("--root")
            .arg(self.root.path())
            .args(["--wd", folder, "--"]);
        run.args(command.iter().map(AsRef::as_ref));
        run.stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        run
    }

    /// The same, of the program as the image starts it; without arguments if none are given.
    pub(super) fn started(
        &self,
        mounts: &[(&Path, &str)],
        variables: &[(String, String)],
        folder: &str,
        arguments: &[String],
    ) -> Command {
        let mut command = self.words("Entrypoint");
        // Without one the words are a command line.
        if command.is_empty() && !arguments.is_empty() {
            command.push("s3lo".to_owned());
        }
        command.extend(match arguments {
            [] => self.words("Cmd"),
            given => given.to_vec(),
        });
        self.command(mounts, variables, folder, &command)
    }

    fn words(&self, key: &str) -> Vec<String> {
        let words = self.config[key].as_array();
        words.into_iter().flatten().map(text).collect()
    }
}
