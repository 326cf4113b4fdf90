//! What to do about a key in a transit engine.

use crate::diagnostic::Explain;
use crate::key::vault::client::address::Service;
use crate::key::vault::signer::Error;
use crate::key::vault::{transit_key, uri};
use crate::key::{KeyRef, Source, WithheldVersions};

impl Explain for uri::Error {
    fn code(&self) -> &'static str {
        "bad_key_reference"
    }

    fn help(&self) -> String {
        match self {
            Self::Form { instead, .. } => format!("write `{instead}`"),
            Self::Host { scheme, .. } => {
                format!(
                    "write `{scheme}://HOST:PORT/v1/transit/keys/KEY`, with the port left away where it is 443"
                )
            }
            Self::Key { scheme, .. } => format!(
                "write letters, digits, `_`, `.` and `-`, as in `{scheme}://ci-signer`; with a server, `{scheme}://HOST/v1/transit/keys/ci-signer`"
            ),
            Self::NoKey { scheme } => format!(
                "write `{scheme}://KEY`, or with a server `{scheme}://HOST/v1/transit/keys/KEY`"
            ),
            Self::Version { .. } => {
                "write `?version=N`, N from 1 on, or leave it away for all versions".to_owned()
            }
        }
    }
}

pub(crate) fn code(error: &Error) -> &'static str {
    match error {
        Error::Answer(error) => match error {
            transit_key::Error::Derived | transit_key::Error::Unsupported { .. } => {
                "unsupported_key"
            }
            transit_key::Error::Version { .. } => "key_version",
            _ => "signer_answered_nonsense",
        },
        Error::Call(error) => error.code(),
        Error::NotToSignWith { .. } => "key_version",
        Error::PublicOnly { .. } => "unsupported_key",
    }
}

/// Why a signature may be there that is not found.
pub fn withheld(
    key: &KeyRef,
    WithheldVersions {
        path,
        oldest,
        available,
    }: &WithheldVersions,
) -> String {
    let cli = cli(key);
    let not_looked_for =
        format!("signatures by versions of this key before {oldest} are not looked for");
    if *available >= oldest.get() {
        return format!(
            "{not_looked_for}: these versions were trimmed; what they signed verifies by their public keys, where those were kept"
        );
    }
    format!(
        "{not_looked_for}: min_decryption_version holds them back; whoever keeps the key may have had a reason: `{cli} read {path}`"
    )
}

fn cli(key: &KeyRef) -> &'static str {
    crate::key::vault::client::help::cli(match key.source() {
        Source::Transit(name) => name.service,
        _ => Service::Vault,
    })
}

pub(crate) fn help(key: &KeyRef, path: &str, error: &Error) -> String {
    let cli = cli(key);
    let mount = path
        .rsplit_once("/keys/")
        .map_or("transit", |(mount, _)| mount);
    match error {
        Error::Answer(error) => match error {
            transit_key::Error::Derived | transit_key::Error::Unsupported { .. } => format!(
                "make a key that signs: `{cli} write -f {mount}/keys/NAME type=ecdsa-p256`; ecdsa-p384, ecdsa-p521, ed25519 and rsa-2048 to rsa-4096 do as well, without `derived=true`"
            ),
            transit_key::Error::Version { trimmed: true, oldest, latest, .. } => format!(
                "it was trimmed, and is gone: name {}, or verify by its public key if that was kept",
                transit_key::given(*oldest, *latest)
            ),
            transit_key::Error::Version { version, oldest, latest, .. } if version < oldest => format!(
                "min_decryption_version holds it back: `{cli} read {path}`; if it is still to be trusted, `{cli} write {path}/config min_decryption_version={version}` gives it back; or name {}",
                transit_key::given(*oldest, *latest)
            ),
            transit_key::Error::Version { .. } => {
                format!("name a version that there is: `{cli} read {path}`")
            }
            _ => "nothing was stored; check the address and HTTPS_PROXY: Vault itself does not answer this way".to_owned(),
        },
        Error::Call(error) => error.help(),
        Error::PublicOnly { version, .. } => format!(
            "sign with another version, by `?version=N`, or with another key; `verify` takes version {version} as it is"
        ),
        Error::NotToSignWith { .. } => format!(
            "run it again if the key is being rotated now; otherwise name a version that may sign, or let this one: `{cli} write {path}/config min_encryption_version=0`"
        ),
    }
}
