//! What was typed → what it means: references, keys, stores.

use std::collections::HashMap;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::SecretSlice;

use super::args::ImageArgs;
use crate::cloud::aws;
use crate::explain::Explained;
use crate::image::Image;
use crate::key::KeyRef;
use crate::key::file::{Ask, Passwords};
use crate::reference::{Reference, Scheme};
use crate::store::Store;
use crate::store::local::LocalStore;
use crate::store::s3::S3Store;

/// The images that were named, each in its store.
pub(super) async fn images(args: &ImageArgs) -> Result<Vec<Image>, Explained> {
    let references = references(args)?;
    let mut stores: HashMap<(Scheme, String), Arc<dyn Store>> = HashMap::new();
    if let Some(endpoint) = &args.endpoint {
        check_endpoint(endpoint)?;
        if references
            .iter()
            .any(|reference| reference.scheme() != Scheme::S3)
        {
            return Err(Explained::usage(
                "`--endpoint` is for `s3://` references alone",
                "leave it away, or name a bucket: `s3://BUCKET/IMAGE:TAG`",
            ));
        }
    }
    let mut config = None;
    let mut images = Vec::with_capacity(references.len());
    for reference in references {
        let place = (reference.scheme(), reference.root().to_owned());
        let store = match stores.get(&place) {
            Some(store) => Arc::clone(store),
            None => {
                let store: Arc<dyn Store> = match reference.scheme() {
                    Scheme::Local => Arc::new(LocalStore::new(reference.root())),
                    Scheme::S3 => {
                        let config = match &mut config {
                            Some(config) => config,
                            unset => unset.insert(
                                aws::config(args.region.as_deref())
                                    .await
                                    .map_err(|error| Explained::new(&error))?,
                            ),
                        };
                        Arc::new(S3Store::new(
                            config,
                            reference.root(),
                            args.endpoint.as_deref(),
                        ))
                    }
                };
                stores.insert(place, Arc::clone(&store));
                store
            }
        };
        images.push(Image { reference, store });
    }
    Ok(images)
}

/// The keys that were named.
pub(super) fn keys(typed: &[String]) -> Result<Vec<KeyRef>, Explained> {
    typed.iter().map(|text| key(text)).collect()
}

/// A key that was named.
pub(super) fn key(typed: &str) -> Result<KeyRef, Explained> {
    typed
        .parse()
        .map_err(|error| Explained::new::<crate::key::RefError>(&error))
}

/// COSIGN_PASSWORD, and the person at the terminal where it is not set.
pub(super) fn passwords() -> Passwords {
    Passwords {
        variable: cosign_password(),
        ask: at_terminal().then_some(ask as Ask),
    }
}

/// COSIGN_PASSWORD, as bytes.
pub(super) fn cosign_password() -> Option<SecretSlice<u8>> {
    Some(SecretSlice::from(
        std::env::var_os("COSIGN_PASSWORD")?.into_vec(),
    ))
}

/// Whether there is a person to ask.
pub(super) fn at_terminal() -> bool {
    use io::IsTerminal as _;
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a password, without echo.
pub(super) fn prompt(question: &str) -> io::Result<SecretSlice<u8>> {
    Ok(SecretSlice::from(
        rpassword::prompt_password(question)?.into_bytes(),
    ))
}

fn ask(key: &KeyRef) -> io::Result<SecretSlice<u8>> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    prompt(&format!("Enter password for private key {key}: "))
}

fn references(args: &ImageArgs) -> Result<Vec<Reference>, Explained> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|error| Explained::new::<crate::reference::Error>(&error))
    };
    let references: Vec<Reference> = args
        .references
        .iter()
        .map(parse)
        .collect::<Result<_, _>>()?;
    let Some(digest) = args.digest else {
        return Ok(references);
    };
    match <[Reference; 1]>::try_from(references) {
        Ok([reference]) => match reference.pin() {
            Some(pin) if pin != digest => Err(Explained::usage(
                format!("`--digest {digest}` contradicts the reference, which is pinned to {pin}"),
                "give one of the two",
            )),
            _ => Ok(vec![reference.pinned(digest)]),
        },
        Err(_) => Err(Explained::usage(
            "`--digest` is for a single reference",
            "pin each reference by itself: `REF@sha256:…`",
        )),
    }
}

/// The SDK takes any text for a URL, and fails much later.
fn check_endpoint(endpoint: &str) -> Result<(), Explained> {
    let rest = endpoint
        .strip_prefix("https://")
        .or_else(|| endpoint.strip_prefix("http://"));
    let host = rest.map(|rest| rest.trim_end_matches('/'));
    let secret = endpoint.contains('@');
    match host {
        Some(host) if !host.is_empty() && !secret && !host.contains(['/', '?', '#', ' ']) => Ok(()),
        _ => Err(Explained::usage(
            if secret {
                "the URL of `--endpoint` carries a user or a password".to_owned()
            } else {
                format!("`{endpoint}` is not the URL of an S3 server")
            },
            "write scheme, host and port alone, as in `--endpoint https://minio.example:9000`",
        )),
    }
}
