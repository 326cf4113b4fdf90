//! Checks whether a job can sign: each thing that signing needs is looked at, and nothing is signed or written.
//!
//! A check that fails hides no other: each goes on with what it can still find out. The advice is that of the errors.

mod caller;
pub mod check;
mod error;
mod image;
mod key;
mod network;

use std::sync::Arc;

use futures_util::future::join;
use s3lo_core::reference::{Reference, Scheme};

use crate::aws::arn::Arn;
use crate::aws::config::Aws;
use crate::aws::policy::{Policy, Statement, literal};
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::doctor::caller::Caller;
use crate::doctor::check::{Check, Report, Topic};
use crate::environment::is_set;
use crate::image::Image;
use crate::key::keyring::Keyring;
use crate::key::reference::KeyRef;
use crate::key::registry::Providers;
use crate::store::backend::{Backends, Stores};
use crate::store::{Objects, Store};

/// The image to sign and the key, either of which may be missing.
pub struct Subject<'a> {
    /// The image.
    pub reference: Option<Reference>,
    /// The key.
    pub key: Option<KeyRef>,
    /// The stores, with their options.
    pub backends: &'a Backends,
    /// The providers of keys, with their options.
    pub providers: &'a Providers,
    /// Whether an option is set that is for AWS alone.
    pub names_aws: bool,
}

/// A subject that is configured as far as that is possible.
pub struct Doctor {
    context: Context,
    /// Whether nothing that was named needs AWS.
    aws_is_optional: bool,
    /// `None` where nothing needs AWS.
    aws: Option<Result<Aws, Diagnostic>>,
    image: Option<Result<Image, Diagnostic>>,
    keys: Option<Result<Keyring, Diagnostic>>,
    /// Whether the S3 server is one that is named, whose credentials AWS may not know.
    names_server: bool,
}

impl Doctor {
    /// Configures the key and the store. Nothing is sent yet.
    pub async fn new(subject: Subject<'_>, context: Context) -> Self {
        let Subject {
            reference,
            key,
            backends,
            providers,
            names_aws,
        } = subject;
        let keys = match key {
            Some(key) => Some(Keyring::new(vec![key], &[], providers, &context).await),
            None => None,
        };
        let in_s3 = reference.as_ref().map(Reference::scheme) == Some(Scheme::S3);
        let by_key = context.configured_aws().is_some();
        let aws_is_optional = !(in_s3 || by_key || names_aws);
        let needs_aws = !aws_is_optional || reference.is_none();
        let image = match reference {
            Some(reference) => Some(opened(reference, backends, &context).await),
            None => None,
        };
        let aws = match needs_aws {
            true => Some(context.aws(None).await.cloned()),
            false => None,
        };
        let by_variable = is_set("AWS_ENDPOINT_URL_S3");
        Self {
            context,
            aws_is_optional,
            aws,
            image,
            keys,
            names_server: in_s3 && (by_variable || backends.endpoint().is_some()),
        }
    }

    /// The keys, whose sessions have to be closed at the end.
    pub fn keys(&self) -> Option<&Keyring> {
        self.keys.as_ref()?.as_ref().ok()
    }

    /// Warnings about settings.
    pub fn warnings(&self) -> Vec<String> {
        let aws = self.context.configured_aws();
        aws.and_then(Aws::warning).into_iter().collect()
    }

    /// Checks everything.
    pub async fn examine(&self) -> Report {
        let (mut checks, caller) = join(network::check(), self.caller()).await;
        checks.push(caller::ci_system());
        let has_credentials = caller.has_credentials;
        let (image, key) = join(self.image(has_credentials), self.key(has_credentials)).await;
        let deadline = self.context.deadline();
        let mut statements = Vec::new();
        if let (Some(Ok(opened)), Some(image)) = (&self.image, &image) {
            let record = image.record(opened, key.id.clone(), deadline).await;
            checks.push(match (record, self.keys()) {
                (None, Some(keys)) => image::judged(opened, keys, deadline).await,
                (Some(record), _) => record,
                (None, None) => Check::after(Topic::Record, Topic::Key),
            });
            let objects = objects(&opened.reference, key.id.as_deref());
            let arn = caller.arn.as_ref();
            statements.extend(opened.store.statements(arn, &objects));
        }
        let of_key = self.statement(&key, caller.arn.as_ref());
        // A policy that lacks the key would not be enough.
        let is_known = of_key.is_some() || !self.first_key_takes_aws_credentials();
        statements.extend(of_key);
        let policy = Policy::of(statements).filter(|_| is_known);
        match (&self.image, image) {
            (None, _) => checks.push(Check::unchecked(Topic::Store, "no image was named")),
            (Some(Err(error)), _) => checks.push(Check::failed(Topic::Store, error.clone())),
            (_, image) => checks.extend(image.into_iter().flat_map(|image| image.checks)),
        }
        checks.extend(key.checks);
        checks.extend(caller.checks);
        checks.push(caller::clock(self.context.configured_aws()));
        let mut report = Report::new(checks, policy);
        network::forgive_unused_proxy(&mut report);
        report
    }

    async fn caller(&self) -> Caller {
        match &self.aws {
            None => Caller::without(Check::unchecked(
                Topic::Credentials,
                "not needed: nothing here uses AWS",
            )),
            Some(Err(error)) => Caller::without(Check::failed(Topic::Credentials, error.clone())),
            Some(Ok(aws)) => {
                let by_key = self.first_key_takes_aws_credentials();
                let asks = !self.names_server || by_key || aws.assumes_a_role();
                let mut caller = caller::check(aws, asks).await;
                if self.aws_is_optional {
                    caller
                        .checks
                        .iter_mut()
                        .for_each(check::forgive_credentials);
                }
                caller
            }
        }
    }

    fn first_key_takes_aws_credentials(&self) -> bool {
        let key = self.keys().and_then(Keyring::first);
        key.is_some_and(|key| key.takes_aws_credentials())
    }

    async fn image(&self, has_credentials: bool) -> Option<image::Found> {
        let image = self.image.as_ref()?.as_ref().ok()?;
        if image.reference.scheme() == Scheme::S3 && !has_credentials {
            let store = Check::after(Topic::Store, Topic::Credentials);
            return Some(image::Found::without_answer(image, store));
        }
        Some(image::check(image, self.context.deadline()).await)
    }

    async fn key(&self, has_credentials: bool) -> key::Found {
        match &self.keys {
            None => key::Found {
                checks: vec![Check::unchecked(Topic::Key, "no key was named")],
                ..key::Found::default()
            },
            Some(Err(error)) => key::Found::unopened(Check::failed(Topic::Key, error.clone())),
            Some(Ok(_)) if self.first_key_takes_aws_credentials() && !has_credentials => {
                key::Found::unopened(Check::after(Topic::Key, Topic::Credentials))
            }
            Some(Ok(keys)) => key::check(keys, self.context.deadline()).await,
        }
    }

    /// The statement for the key that was found, or else for its reference.
    fn statement(&self, key: &key::Found, caller: Option<&Arn>) -> Option<Statement> {
        let by_reference = || self.keys()?.first()?.statement(caller);
        key.statement.clone().or_else(by_reference)
    }
}

async fn opened(
    reference: Reference,
    backends: &Backends,
    context: &Context,
) -> Result<Image, Diagnostic> {
    let store: Arc<dyn Store> = backends
        .open(&reference, context, &mut Stores::new())
        .await?;
    Ok(Image { reference, store })
}

/// The objects that a signature reads and writes. Without the key's ID the record may have any name.
fn objects(reference: &Reference, key_id: Option<&str>) -> Objects {
    let record = match key_id {
        Some(id) => literal(&reference.record_key(&id)),
        None => format!("{}*", literal(&reference.records_prefix())),
    };
    Objects {
        read: vec![literal(&reference.manifest_key()), record.clone()],
        written: vec![record],
    }
}
