//! The servers that images of a host come from: hosts.toml in a folder for each host
//! ([hosts.go](https://github.com/containerd/containerd/blob/v2.4.2/core/remotes/docker/config/hosts.go)).
//!
//! The author of a pod chooses the name of the image. A second name for a server of the gate's is another image to the
//! gate, which passes where other images do. Names that only DNS knows are not found here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Fact};
use crate::gate::check::containerd::{Files, Settings};
use crate::gate::check::problem::Problem;
use crate::gate::check::remedy::Remedy;
use crate::gate::check::toml_file::{Table, TomlFile};
use crate::gate::check::topic::{Check, Topic};
use crate::gate::config::{Config, OtherImages};
use crate::gate::name::Host;

/// The folders that containerd uses where none are named.
const DEFAULT_PATH: &str = "/etc/containerd/certs.d:/etc/docker/certs.d";

/// The folder for hosts that have none of their own.
const DEFAULT_FOLDER: &str = "_default";

/// The most bytes of a hosts.toml.
const MAX_BYTES: u64 = 64 * 1024;

/// The most folders that are looked at.
const MAX_FOLDERS: usize = 1000;

/// A name that leads to servers.
#[derive(Clone, Debug)]
struct Entry {
    /// The host; none for all those that have no entry of their own.
    host: Option<Host>,
    servers: BTreeSet<Host>,
    /// The file.
    place: PathBuf,
}

/// Looks whether the files are read, and whether the gate's servers have other names there.
pub(super) fn check(files: &Files, config: Option<&Config>, remedy: &mut Remedy) -> Vec<Check> {
    let path = config_path(files);
    let mut checks = Vec::new();
    let mut entries = Vec::new();
    for root in path.split(':').filter(|root| !root.is_empty()) {
        entries.extend(read(Path::new(root), &mut checks));
    }
    checks.push(effective(&path, &entries, config, remedy));
    entries.extend(mirrors(files));
    match config {
        None => checks.push(Check::after(Topic::Aliases, Topic::GateFile)),
        Some(config) => checks.extend(aliases(config, &entries)),
    }
    checks
}

/// The folders, with a colon between them.
fn config_path(files: &Files) -> String {
    let [_, settings] = Settings::of_versions(files);
    let found = settings.of_images(&["registry", "config_path"]);
    let path = found.and_then(|found| found.node.as_text());
    let named = path.filter(|path| !path.is_empty());
    named.unwrap_or(DEFAULT_PATH).to_owned()
}

/// CRI's own pull reads each of several folders; the transfer service takes the whole text for the name of one
/// ([containerd#12808](https://github.com/containerd/containerd/issues/12808)).
fn effective(path: &str, entries: &[Entry], config: Option<&Config>, remedy: &mut Remedy) -> Check {
    if !path.contains(':') {
        let number = entries.len();
        return Check::ok(Topic::Hosts, format!("{path}, with {number} hosts"));
    }
    let is_own = |entry: &&Entry| {
        let host = entry.host.as_ref();
        host.is_none_or(|host| config.is_some_and(|config| config.entry(host).is_some()))
    };
    match entries.iter().find(is_own) {
        Some(entry) => {
            let folder = entry
                .place
                .ancestors()
                .nth(2)
                .unwrap_or_else(|| Path::new("/"));
            let value = format!("\"{}\"", folder.display());
            remedy.set(
                "'io.containerd.cri.v1.images'.registry",
                "config_path",
                &value,
            );
            let problem = Problem::TwoFolders {
                config_path: path.to_owned(),
                file: entry.place.clone(),
            };
            Check::failed(Topic::Hosts, Diagnostic::new(&problem))
        }
        None => Check::unchecked(
            Topic::Hosts,
            format!("no hosts.toml is for the hosts of the gate: {path}"),
        ),
    }
}

/// The hosts that have a folder below `root`.
fn read(root: &Path, checks: &mut Vec<Check>) -> Vec<Entry> {
    let folders = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .take(MAX_FOLDERS);
    let mut names: Vec<_> = folders.flatten().map(|entry| entry.file_name()).collect();
    names.sort_unstable();
    let entry = |name: std::ffi::OsString| {
        let place = root.join(&name).join("hosts.toml");
        if !place.exists() {
            return None;
        }
        let name = name.to_str()?;
        let host = match name {
            DEFAULT_FOLDER => None,
            name => Some(host_of_folder(name)?),
        };
        match TomlFile::read(&place, MAX_BYTES) {
            Ok(file) => Some(Entry {
                servers: servers(&file.root, host.as_ref()),
                host,
                place,
            }),
            Err(error) => {
                let problem = Problem::UnreadableHosts {
                    path: place,
                    reason: error.to_string(),
                };
                checks.push(Check::failed(Topic::Hosts, Diagnostic::new(&problem)));
                None
            }
        }
    };
    names.into_iter().filter_map(entry).collect()
}

/// The host of a folder, whose port may be written between underscores.
fn host_of_folder(name: &str) -> Option<Host> {
    let with_port = name
        .strip_suffix('_')
        .and_then(|name| name.rsplit_once('_'));
    match with_port {
        Some((host, port)) => Host::parse(&format!("{host}:{port}")).ok(),
        None => Host::parse(name).ok(),
    }
}

/// The servers of a hosts.toml: those of its tables, and last `server`, or the host itself.
fn servers(file: &Table, host: Option<&Host>) -> BTreeSet<Host> {
    let tables = file.get("host").and_then(|node| node.as_table());
    let of_tables = tables
        .into_iter()
        .flat_map(BTreeMap::keys)
        .map(String::as_str);
    let server = file.get("server").and_then(|node| node.as_text());
    let named = of_tables.chain(server.filter(|server| !server.is_empty()));
    let mut servers: BTreeSet<_> = named.filter_map(server_host).collect();
    if server.is_none_or(str::is_empty) {
        servers.extend(host.cloned());
    }
    servers
}

/// The host and port of a URL, which may lack its scheme.
fn server_host(url: &str) -> Option<Host> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    Host::parse(host.trim_end_matches('.')).ok()
}

/// The deprecated mirrors.
fn mirrors(files: &Files) -> Vec<Entry> {
    let [_, settings] = Settings::of_versions(files);
    let tables = settings
        .tables_of_images(&["registry", "mirrors"])
        .into_iter();
    let entries = tables.flat_map(|found| {
        let table = found.node.as_table().into_iter().flatten();
        table.filter_map(move |(name, node)| {
            let endpoints = node.as_table()?.get("endpoint")?.texts();
            Some(Entry {
                host: match name.as_str() {
                    "*" => None,
                    name => Some(Host::parse(name).ok()?),
                },
                servers: endpoints.filter_map(|(url, _)| server_host(url)).collect(),
                place: found.place().into(),
            })
        })
    });
    entries.collect()
}

/// The other names of the gate's servers.
fn aliases(config: &Config, entries: &[Entry]) -> Vec<Check> {
    if config.other_images == OtherImages::Deny {
        let detail = "images under any other name are refused";
        return vec![Check::ok(Topic::Aliases, detail)];
    }
    let is_own = |entry: &Entry| {
        let host = entry.host.as_ref();
        host.is_some_and(|host| config.entry(host).is_some())
    };
    let (own, others): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| is_own(entry));
    let servers_of = |host: &Host| -> BTreeSet<Host> {
        let has_own = own.iter().any(|entry| entry.host.as_ref() == Some(host));
        // A host without a folder comes from the servers of all such hosts, or else from its own.
        let wanted = has_own.then_some(host);
        let entries = entries.iter().filter(|entry| entry.host.as_ref() == wanted);
        let servers = entries.flat_map(|entry| entry.servers.iter().cloned());
        servers.chain([host.clone()]).collect()
    };
    let mut found = Vec::new();
    for entry in others {
        let shared = config.hosts.iter().find(|own| {
            let servers = servers_of(&own.host);
            entry.servers.iter().any(|server| servers.contains(server))
        });
        if let Some(own) = shared {
            let problem = Problem::Alias {
                name: match &entry.host {
                    Some(host) => format!("`{host}`"),
                    None => "every host without a folder".to_owned(),
                },
                host: own.host.clone(),
                place: entry.place.display().to_string(),
            };
            found.push(Check::failed(Topic::Aliases, Diagnostic::new(&problem)));
        }
    }
    if found.is_empty() {
        let detail = "containerd's files have no other name for the servers of the gate";
        let note = "names in DNS are not looked at; only other-images = \"deny\" covers those";
        found.push(Check::ok(Topic::Aliases, detail).with(vec![Fact::new("note", note)]));
    }
    found
}
