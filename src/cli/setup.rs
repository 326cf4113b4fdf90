//! What was typed → what it means: references, keys, stores, and the credentials that they need.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use ::url::Url;
use futures_util::future::{Either, select};
use s3lo_core::crypto::public::PublicKey;
use s3lo_core::reference;
use s3lo_core::reference::{Reference, Scheme};
use tokio::time::{Instant, timeout_at};

use crate::aws::config;
use crate::aws::config::{Aws, RoleOptions};
use crate::cli::args::{AwsArgs, ImageArgs, VaultArgs};
use crate::cli::password;
use crate::diagnostic::Diagnostic;
use crate::image::Image;
use crate::key::file::Passwords;
use crate::key::keyring::Keys;
use crate::key::vault::client::config::Wishes;
use crate::key::{KeyRef, RefError, Source};
use crate::mask::Mask;
use crate::net::url;
use crate::store::Store;
use crate::store::local::LocalStore;
use crate::store::s3::S3Store;

/// Whether it matters how many keys there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyCounting {
    /// One of them will do, or each works for itself.
    Any,
    /// They stand for as many signers.
    Distinct,
}

/// Where a command runs: at a desk, or in a job.
pub(crate) struct RunContext {
    /// Where the password of a key file comes from.
    pub(crate) passwords: Passwords,
    /// Who is told of secrets as soon as they are learned.
    pub(crate) mask: Mask,
    /// How errors are said here.
    pub(crate) say: Say,
}

/// Says an error in the words of whoever reads it.
pub(crate) type Say = fn(Diagnostic) -> Diagnostic;

impl RunContext {
    /// The command line's: COSIGN_PASSWORD, or whoever sits there.
    pub(crate) fn command_line() -> Self {
        Self {
            passwords: password::passwords(),
            mask: Mask::default(),
            say: |diagnostic| diagnostic,
        }
    }
}

/// A run: images in their stores, and keys, each where it is asked.
pub(crate) struct Run {
    /// The images, in the order typed.
    pub(crate) images: Vec<Image>,
    /// The keys, in the order typed.
    pub(crate) keys: Keys,
}

impl Run {
    /// Makes stores and keys of what was typed, and gets the credentials that they need. Nothing is
    /// asked of any service before all that was typed is understood.
    pub(crate) async fn new(
        images: &ImageArgs,
        keys: Vec<KeyRef>,
        counted: KeyCounting,
        aws: &AwsArgs,
        vault: &VaultArgs,
        context: &RunContext,
        deadline: Instant,
    ) -> Result<Self, Diagnostic> {
        let references = references(images)?;
        let in_s3 = |reference: &Reference| reference.scheme() == Scheme::S3;
        check_endpoint(images, references.iter().all(in_s3))?;
        if images.expected_bucket_owner.is_some() && !references.iter().any(in_s3) {
            return Err(Diagnostic::usage(
                "`--expected-bucket-owner` is for `s3://` references",
                "leave it away, or name a bucket: `s3://BUCKET/IMAGE:TAG`",
            ));
        }
        let in_cloud = references.iter().any(in_s3) || keys.iter().any(is_in_kms);
        let cloud = configure(in_cloud, aws, &keys, &context.mask, deadline).await?;
        let mut stores = Stores::new();
        let images = crate::cli::setup::images(references, images, cloud.as_ref(), &mut stores)?;
        let wishes = wishes(vault, &context.mask, deadline);
        let keys = Keys::new(keys, cloud.as_ref(), &wishes, context.passwords.clone())?;
        if counted == KeyCounting::Distinct
            && let Some((one, other)) = keys.same_key()
        {
            return Err(Diagnostic::usage(
                format!("`{one}` and `{other}` are versions of one key, which count once"),
                "name the key once for each that must have signed, or leave `--require` away",
            ));
        }
        keys.unless_stopped(ready(cloud.as_ref(), &stores, &keys, deadline))
            .await?;
        Ok(Self { images, keys })
    }
}

/// The stores of a run, one for each place.
type Stores = HashMap<(Scheme, String), Arc<dyn Store>>;

/// Every image in its store, which is made for the first one of each place.
fn images(
    references: Vec<Reference>,
    args: &ImageArgs,
    cloud: Option<&Aws>,
    stores: &mut Stores,
) -> Result<Vec<Image>, Diagnostic> {
    let endpoint = args.endpoint.as_deref();
    let owner = args.expected_bucket_owner.as_ref();
    let in_store = |reference: Reference| {
        let place = (reference.scheme(), reference.root().to_owned());
        let store = match stores.get(&place) {
            Some(store) => Arc::clone(store),
            None => {
                let root = reference.root();
                let store: Arc<dyn Store> = match (reference.scheme(), cloud) {
                    (Scheme::Local, _) => Arc::new(LocalStore::new(root)),
                    (Scheme::S3, Some(cloud)) => {
                        Arc::new(S3Store::new(cloud, root, endpoint, owner))
                    }
                    // The configuration is read wherever a reference is in S3.
                    (Scheme::S3, None) => {
                        return Err(Diagnostic::usage(
                            format!("`{reference}` needs AWS, which is not configured"),
                            "report this",
                        ));
                    }
                };
                stores.insert(place, Arc::clone(&store));
                store
            }
        };
        Ok(Image { reference, store })
    };
    references.into_iter().map(in_store).collect()
}

/// The most keys of a run: each is opened, and each is compared with the others.
const MOST_KEYS: usize = 100;

/// The keys that were named.
pub(crate) fn keys(typed: &[String]) -> Result<Vec<KeyRef>, Diagnostic> {
    if typed.len() > MOST_KEYS {
        return Err(Diagnostic::usage(
            format!("{} keys are named, of {MOST_KEYS} at most", typed.len()),
            "name each key once by `--key`, and those that are not needed not at all",
        ));
    }
    typed.iter().map(|text| key(text)).collect()
}

/// A key alone, to ask for its public half.
pub(crate) async fn public_key(
    typed: &str,
    aws: &AwsArgs,
    vault: &VaultArgs,
    deadline: Instant,
) -> Result<(PublicKey, Vec<String>), Diagnostic> {
    let references = vec![key(typed)?];
    let in_kms = references.iter().any(is_in_kms);
    let RunContext {
        passwords, mask, ..
    } = RunContext::command_line();
    let cloud = configure(in_kms, aws, &references, &mask, deadline).await?;
    let wishes = wishes(vault, &mask, deadline);
    let keys = Keys::new(references, cloud.as_ref(), &wishes, passwords)?;
    keys.unless_stopped(ready(cloud.as_ref(), &Stores::new(), &keys, deadline))
        .await?;
    let public = keys.public();
    let Some(key) = public.first() else {
        return Err(timed_out());
    };
    let (opened, warnings) = keys.during(timeout_at(deadline, key.opened())).await?;
    match opened {
        Ok(Ok(keys)) => Ok((keys.newest().clone(), warnings)),
        Ok(Err(error)) => Err(Diagnostic::new(&error).with(&warnings)),
        Err(_) => Err(timed_out().with(&warnings)),
    }
}

fn key(typed: &str) -> Result<KeyRef, Diagnostic> {
    typed
        .parse()
        .map_err(|error| Diagnostic::new::<RefError>(&error))
}

fn is_in_kms(key: &KeyRef) -> bool {
    matches!(key.source(), Source::AwsKms(_))
}

async fn configure(
    needed: bool,
    args: &AwsArgs,
    keys: &[KeyRef],
    mask: &Mask,
    deadline: Instant,
) -> Result<Option<Aws>, Diagnostic> {
    if !needed {
        let named = [
            ("--role-arn", args.role_arn.is_some()),
            ("--allowed-account", !args.allowed_accounts.is_empty()),
        ];
        return match named.iter().find(|(_, given)| *given) {
            None => Ok(None),
            Some((flag, _)) => Err(Diagnostic::usage(
                format!("`{flag}` is for `s3://` references and keys in AWS KMS"),
                "leave it away: nothing here asks AWS",
            )),
        };
    }
    let arn = keys.iter().find_map(|key| match key.source() {
        Source::AwsKms(name) => name.arn(),
        _ => None,
    });
    let wishes = config::Options {
        region: args.region.clone(),
        key: arn.cloned(),
        role: RoleOptions {
            arn: args.role_arn.clone(),
            session_name: args.role_session_name.clone(),
            duration: args.role_duration,
            audience: args.audience.clone(),
            token_file: args.web_identity_token_file.clone(),
            token_variable: args.web_identity_token_env.clone(),
        },
        allowed_accounts: args.allowed_accounts.clone(),
        mask: mask.clone(),
        deadline,
    };
    match Aws::configure(wishes).await {
        Ok(cloud) => Ok(Some(cloud)),
        Err(error) => Err(Diagnostic::new(&error)),
    }
}

/// Gets the credentials, and meanwhile opens connections if that takes a while.
async fn ready(
    cloud: Option<&Aws>,
    stores: &Stores,
    keys: &Keys,
    deadline: Instant,
) -> Result<(), Diagnostic> {
    let Some(cloud) = cloud else {
        return Ok(());
    };
    if cloud.assumes_a_role() {
        stores.values().for_each(|store| store.preconnect());
        keys.preconnect();
    }
    // A login to Vault takes its way meanwhile. It holds up nothing, and is waited for where it is needed.
    let assume = pin!(timeout_at(deadline, cloud.assume()));
    let assumed = match select(assume, pin!(keys.log_in())).await {
        Either::Left((assumed, _)) => assumed,
        Either::Right(((), assume)) => assume.await,
    };
    match assumed {
        Ok(assumed) => assumed.map_err(|error| Diagnostic::new(&error)),
        Err(_) => Err(timed_out()),
    }
}

fn wishes(args: &VaultArgs, mask: &Mask, deadline: Instant) -> Wishes {
    Wishes {
        address: args.vault_address.clone(),
        namespace: args.vault_namespace.clone(),
        method: args.vault_auth.map(Into::into),
        role: args.vault_role.clone(),
        mount: args.vault_auth_mount.clone(),
        audience: args.vault_audience.clone(),
        jwt_file: args.vault_jwt_file.clone(),
        jwt_variable: args.vault_jwt_env.clone(),
        plain_http: args.vault_plain_http,
        mask: mask.clone(),
        deadline,
    }
}

fn timed_out() -> Diagnostic {
    Diagnostic {
        message: "the run's time was up before keys and credentials were at hand".to_owned(),
        ..Diagnostic::new(&crate::sign::Error::TimedOut)
    }
}

fn references(args: &ImageArgs) -> Result<Vec<Reference>, Diagnostic> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|error| Diagnostic::new::<reference::Error>(&error))
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
            Some(pin) if pin != digest => Err(Diagnostic::usage(
                format!("`--digest {digest}` contradicts the reference, which is pinned to {pin}"),
                "give one of the two",
            )),
            _ => Ok(vec![reference.pinned(digest)]),
        },
        Err(_) => Err(Diagnostic::usage(
            "`--digest` is for a single reference",
            "pin each reference by itself: `REF@sha256:…`",
        )),
    }
}

/// The SDK takes any text for a URL, and fails much later.
fn check_endpoint(args: &ImageArgs, all_in_s3: bool) -> Result<(), Diagnostic> {
    let Some(endpoint) = &args.endpoint else {
        return Ok(());
    };
    let plain = |url: &Url| {
        let path = url.path().trim_matches('/');
        path.is_empty() && url.query().is_none() && url.fragment().is_none()
    };
    match url::parse(endpoint) {
        _ if endpoint.contains('@') => {
            Err("the URL of `--endpoint` carries a user or a password".to_owned())
        }
        Some(url) if plain(&url) => Ok(()),
        _ => Err(format!("`{endpoint}` is not the URL of an S3 server")),
    }
    .map_err(|message| {
        Diagnostic::usage(
            message,
            "write scheme, host and port alone, as in `--endpoint https://minio.example:9000`",
        )
    })?;
    if all_in_s3 {
        return Ok(());
    }
    Err(Diagnostic::usage(
        "`--endpoint` is for `s3://` references alone",
        "leave it away, or name a bucket: `s3://BUCKET/IMAGE:TAG`",
    ))
}
