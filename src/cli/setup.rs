//! Arguments → a run: images in their stores, keys, and the credentials they need.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use s3lo_core::crypto::public::PublicKey;
use s3lo_core::reference;
use s3lo_core::reference::Reference;
use tokio::time::Instant;

use crate::aws;
use crate::aws::config::{Aws, Settings};
use crate::child_environment;
use crate::cli::args::{ImageArgs, Output};
use crate::cli::output::text::Style;
use crate::cli::output::waiting::Waiting;
use crate::cli::password;
use crate::cli::shutdown::ShutdownSignals;
use crate::context::{Context, Passwords};
use crate::diagnostic::Diagnostic;
use crate::identity::token_source::TokenRequest;
use crate::image::Image;
use crate::key::keyring::Keyring;
use crate::key::reference::{KeyRef, RefError};
use crate::key::registry;
use crate::key::registry::Providers;
use crate::mask::Mask;
use crate::net::timed_out::{TimedOut, explained};
use crate::option_name::option;
use crate::policy::PolicyFile;
use crate::store::backend;
use crate::store::backend::Stores;
use crate::verify;
use crate::verify::{Basis, PolicyKeys};

/// Whether it matters how many keys there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyCounting {
    /// One is enough, or each works alone.
    Any,
    /// Each stands for another signer.
    Distinct,
}

/// The surroundings of a run: a command line or a job.
pub(crate) struct RunContext {
    /// Where the password of a key file comes from.
    pub(crate) passwords: Passwords,
    /// Masks secrets as soon as they are known.
    pub(crate) mask: Mask,
    /// How results are printed.
    pub(crate) style: Style,
    /// Where it shows what it waits for.
    pub(crate) waiting: Waiting,
}

impl RunContext {
    /// A command line: the password is in COSIGN_PASSWORD, or is asked for on the terminal.
    pub(crate) fn command_line(output: Output, style: Style) -> Self {
        Self {
            passwords: password::passwords(),
            mask: Mask::default(),
            style,
            waiting: Waiting::on_stderr(output, style.quiet),
        }
    }

    /// The settings that keys and stores share.
    pub(crate) fn shared(&self, options: &aws::Options, deadline: Instant) -> Context {
        let settings = Settings {
            options: options.clone(),
            mask: self.mask.clone(),
            deadline,
        };
        Context::new(settings, self.passwords.clone())
    }
}

/// A run: images in their stores, and keys.
pub(crate) struct Run {
    /// The images, in the order typed.
    pub(crate) images: Vec<Image>,
    /// The keys, in the order typed.
    pub(crate) keys: Keyring,
    /// The signals that end the run early.
    pub(crate) signals: ShutdownSignals,
    /// Warnings about settings.
    pub(crate) warnings: Vec<String>,
    /// The role that was assumed.
    pub(crate) role: Option<String>,
}

/// The keys of a run.
pub(crate) struct RunKeys {
    /// Those to open.
    open: Vec<KeyRef>,
    /// Those of a policy that no image of the run needs. Options for them do no harm.
    spare: Vec<KeyRef>,
    /// Whether something of an image is read: a policy may refuse all of them for their names.
    reads_images: bool,
}

impl From<Vec<KeyRef>> for RunKeys {
    fn from(open: Vec<KeyRef>) -> Self {
        Self {
            open,
            spare: Vec::new(),
            reads_images: true,
        }
    }
}

/// Images and keys whose settings are understood. Nothing was sent yet.
pub(crate) struct Configured {
    shared: Context,
    images: Vec<Image>,
    stores: Stores,
    keys: Keyring,
    warnings: Vec<String>,
    reads_images: bool,
}

impl Configured {
    /// Makes stores and keys of the arguments and the environment.
    pub(crate) async fn new(
        images: &ImageArgs,
        keys: impl Into<RunKeys>,
        aws: &aws::Options,
        providers: &Providers,
        context: &RunContext,
        deadline: Instant,
    ) -> Result<Self, Diagnostic> {
        let RunKeys {
            open: keys,
            spare,
            reads_images,
        } = keys.into();
        let references = references(images)?;
        let texts = references.iter().map(ToString::to_string);
        let mut warnings: Vec<_> = given_twice(texts).collect();
        warnings.extend(given_twice(keys.iter().map(ToString::to_string)));
        for backend in images.stores.all() {
            backend.check_options(&references)?;
        }
        let shared = context.shared(aws, deadline);
        let waiting = &context.waiting;
        let configured = Keyring::new(keys, &spare, providers, &shared);
        let keys = waiting.during(None, configured).await?;
        let (mut stores, mut opened) = (Stores::new(), Vec::with_capacity(references.len()));
        for reference in references {
            let opening = images.stores.open(&reference, &shared, &mut stores);
            let store = waiting.during(None, opening).await?;
            opened.push(Image { reference, store });
        }
        if spare.is_empty() {
            check_aws_is_used(aws, &shared)?;
        }
        Ok(Self {
            shared,
            images: opened,
            stores,
            keys,
            warnings,
            reads_images,
        })
    }

    /// The identity tokens that the CI system's agent has to issue before the run.
    pub(crate) fn token_requests(&self) -> Vec<TokenRequest> {
        let of_role = self.shared.configured_aws().and_then(Aws::token_request);
        of_role
            .into_iter()
            .chain(self.keys.token_requests())
            .collect()
    }
}

impl Run {
    /// Makes stores and keys, and gets the credentials they need. No request is sent before all arguments are
    /// understood.
    pub(crate) async fn new(
        images: &ImageArgs,
        keys: impl Into<RunKeys>,
        counted: KeyCounting,
        aws: &aws::Options,
        providers: &Providers,
        context: &RunContext,
        deadline: Instant,
    ) -> Result<Self, Diagnostic> {
        let configured = Configured::new(images, keys, aws, providers, context, deadline).await?;
        let Configured {
            shared,
            images,
            stores,
            keys,
            mut warnings,
            reads_images,
        } = configured;
        if counted == KeyCounting::Distinct
            && let Some((one, other)) = keys.same_key()
        {
            return Err(Diagnostic::usage(
                format!("`{one}` and `{other}` are versions of one key, which count once"),
                format!("name the key once, or omit {}", option("require")),
            ));
        }
        let signals = ShutdownSignals::listen();
        let ready = async {
            match reads_images {
                true => ready(&shared, &stores, &keys).await,
                false => Ok(()),
            }
        };
        let ready = context.waiting.during(None, ready);
        signals.unless_stopped(&keys, ready).await?;
        warnings.extend(shared.configured_aws().and_then(Aws::warning));
        let role = shared.configured_aws().and_then(Aws::role);
        Ok(Self {
            images,
            keys,
            signals,
            warnings,
            role: role.map(ToString::to_string),
        })
    }
}

/// A warning for each text that is there more than once.
fn given_twice(texts: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for text in texts {
        let count = counts.entry(text).or_default();
        *count = count.saturating_add(1);
    }
    let repeated = counts.into_iter().filter(|(_, count)| *count > 1);
    repeated.map(|(text, count)| format!("`{text}` is given {count} times"))
}

/// The most keys of a run: each is opened, and each is compared with the others.
const MAX_KEYS: usize = 100;

/// Parses the keys.
pub(crate) fn keys(typed: &[String]) -> Result<Vec<KeyRef>, Diagnostic> {
    if typed.len() > MAX_KEYS {
        return Err(Diagnostic::usage(
            format!("{} keys are named, of {MAX_KEYS} at most", typed.len()),
            format!(
                "name each key once by {}, and those that are not needed not at all",
                option("key")
            ),
        ));
    }
    typed.iter().map(|text| key(text)).collect()
}

/// The public half of a key.
pub(crate) async fn public_key(
    typed: &str,
    aws: &aws::Options,
    providers: &Providers,
    context: &RunContext,
    deadline: Instant,
) -> Result<(PublicKey, Vec<String>), Diagnostic> {
    let references = vec![key(typed)?];
    let (shared, waiting) = (context.shared(aws, deadline), &context.waiting);
    let configured = Keyring::new(references, &[], providers, &shared);
    let keys = waiting.during(None, configured).await?;
    check_aws_is_used(aws, &shared)?;
    let signals = ShutdownSignals::listen();
    let no_stores = Stores::new();
    let ready = waiting.during(None, ready(&shared, &no_stores, &keys));
    signals.unless_stopped(&keys, ready).await?;
    let public = keys.public_keys();
    let Some(key) = public.first() else {
        return Err(Diagnostic::new(&TimedOut::default()));
    };
    let opened = pin!(key.opened());
    let opened = waiting.during(None, explained(deadline, opened));
    let (opened, warnings) = signals.during(&keys, opened).await?;
    match opened {
        Ok(keys) => Ok((keys.newest().clone(), warnings)),
        Err(error) => Err(error.with(&warnings)),
    }
}

/// Parses a reference.
pub(crate) fn reference(typed: &str) -> Result<Reference, Diagnostic> {
    backend::parse(typed).map_err(|error| Diagnostic::new::<reference::Error>(&error))
}

/// Parses a key.
pub(crate) fn key(typed: &str) -> Result<KeyRef, Diagnostic> {
    let parsed = registry::parse(typed);
    let key = parsed.map_err(|error| Diagnostic::new::<RefError>(&error))?;
    if let Some(variable) = key.variable() {
        child_environment::withhold(variable);
    }
    Ok(key)
}

/// A policy, for a run over images.
pub(crate) struct PolicyRun {
    pub(crate) file: Arc<PolicyFile>,
    /// The keys in services that the images need.
    services: Vec<KeyRef>,
    /// How many images there are.
    images: usize,
    /// Those that the policy refuses for their names alone.
    pub(crate) refused: Vec<String>,
}

impl PolicyRun {
    /// Reads a policy, for these images.
    pub(crate) async fn new(
        file: &str,
        images: &ImageArgs,
        context: &RunContext,
        deadline: Instant,
    ) -> Result<Self, Diagnostic> {
        let file = policy(file, context, deadline).await?;
        let images = references(images)?;
        let is_refused = |image: &&Reference| file.refusal(image).is_some();
        let refused = images.iter().filter(is_refused);
        Ok(Self {
            services: file.services(&images),
            refused: refused.map(ToString::to_string).collect(),
            images: images.len(),
            file,
        })
    }

    /// The keys in services. The others are in files, which are read.
    pub(crate) fn keys(&self) -> RunKeys {
        let open = self.services.clone();
        let all = self.file.all_services();
        let spare = all.filter(|key| !open.contains(key)).cloned().collect();
        RunKeys {
            open,
            spare,
            reads_images: self.refused.len() < self.images,
        }
    }

    /// The policy with all of its keys, of which those of [`Self::keys`] are `opened`.
    pub(crate) fn basis(&self, opened: &[verify::Key], deadline: Instant) -> Basis {
        let keys = PolicyKeys::new(Arc::clone(&self.file), opened);
        Basis::Policy(Arc::new(keys), deadline)
    }
}

/// Reads a policy.
pub(crate) async fn policy(
    file: &str,
    context: &RunContext,
    deadline: Instant,
) -> Result<Arc<PolicyFile>, Diagnostic> {
    let loading = pin!(PolicyFile::load(file));
    let loaded = explained(deadline, loading);
    context.waiting.during(None, loaded).await
}

fn check_aws_is_used(options: &aws::Options, context: &Context) -> Result<(), Diagnostic> {
    match options.first_set() {
        Some(name) if context.configured_aws().is_none() => Err(Diagnostic::unused_option(
            option(name),
            "`s3://` references and keys in AWS KMS",
            "omit it: nothing here uses AWS",
        )),
        _ => Ok(()),
    }
}

/// Gets the credentials, and meanwhile opens connections if that takes a while.
async fn ready(context: &Context, stores: &Stores, keys: &Keyring) -> Result<(), Diagnostic> {
    let Some(aws) = context.configured_aws() else {
        return Ok(());
    };
    if aws.expects_a_role() {
        stores.values().for_each(|store| store.preconnect());
        keys.preconnect();
    }
    // Other logins happen meanwhile. Nothing waits for them before the key is needed.
    let assume = pin!(aws.assume());
    let assume = pin!(explained(context.deadline(), assume));
    match select(assume, pin!(keys.log_in())).await {
        Either::Left((assumed, _)) => assumed,
        Either::Right(((), assume)) => assume.await,
    }
}

/// The warnings of the stores of a run, each once.
pub(crate) fn store_warnings(images: &[Image]) -> Vec<String> {
    let mut warnings: Vec<_> = images
        .iter()
        .flat_map(|image| image.store.warnings())
        .collect();
    warnings.sort_unstable();
    warnings.dedup();
    warnings
}

fn references(args: &ImageArgs) -> Result<Vec<Reference>, Diagnostic> {
    let references: Vec<Reference> = args
        .references
        .iter()
        .map(|text| reference(text))
        .collect::<Result<_, _>>()?;
    let Some(digest) = args.digest else {
        return Ok(references);
    };
    match <[Reference; 1]>::try_from(references) {
        Ok([reference]) => match reference.pin() {
            Some(pin) if pin != digest => Err(Diagnostic::usage(
                format!(
                    "{} contradicts the reference, which is pinned to {pin}",
                    option("digest").with(&digest.to_string())
                ),
                "give one of the two",
            )),
            _ => Ok(vec![reference.pinned(digest)]),
        },
        Err(_) => Err(Diagnostic::usage(
            format!("{} is for a single reference", option("digest")),
            "pin each reference by itself: `REF@sha256:…`",
        )),
    }
}
