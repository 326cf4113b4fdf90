//! Keys, each where it is asked.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, join_all, pending, select};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

use crate::aws::config::Aws;
use crate::diagnostic::Diagnostic;
use crate::key::awskms::signer::Kms;
use crate::key::file::Passwords;
use crate::key::lazy::Opening;
use crate::key::vault::client::address::Server;
use crate::key::vault::client::config::Wishes;
use crate::key::vault::client::session::Vault;
use crate::key::vault::location::Place;
use crate::key::vault::signer::TransitKey;
use crate::key::{Error, KeyRef, PublicKeys, Signer, Source, file};
use crate::{sign, verify};

/// Keys, each where it is asked.
pub(crate) struct Keys {
    /// As they were typed.
    pub(crate) references: Vec<KeyRef>,
    held: HashMap<KeyRef, Holder>,
    vaults: HashMap<Server, Vault>,
    passwords: Passwords,
    stop: Stop,
}

/// A service that holds a key.
#[derive(Clone)]
enum Holder {
    Kms(Box<Kms>),
    Vault(Box<TransitKey>),
}

impl Keys {
    /// Keys in KMS take AWS. Every key of a Vault shares one login there.
    pub(crate) fn new(
        references: Vec<KeyRef>,
        cloud: Option<&Aws>,
        wishes: &Wishes,
        passwords: Passwords,
    ) -> Result<Self, Diagnostic> {
        let (mut held, mut vaults) = (HashMap::new(), HashMap::new());
        for reference in &references {
            let holder = match (reference.source(), cloud) {
                (Source::AwsKms(name), Some(cloud)) => {
                    let key = Kms::new(cloud, reference, name);
                    Holder::Kms(Box::new(key.map_err(|error| Diagnostic::new(&error))?))
                }
                (Source::Transit(name), _) => {
                    let place = Place::of(name, wishes).map_err(|error| Diagnostic::new(&error))?;
                    let vault = match vaults.get(&place.server) {
                        Some(vault) => Vault::clone(vault),
                        None => {
                            let vault = Vault::configure(place.server.clone(), wishes);
                            let vault = vault.map_err(|error| Diagnostic::new(&error))?;
                            vaults.insert(place.server, vault.clone());
                            vault
                        }
                    };
                    Holder::Vault(Box::new(TransitKey::new(
                        vault,
                        place.mount,
                        reference,
                        name,
                    )))
                }
                _ => continue,
            };
            held.insert(reference.clone(), holder);
        }
        if let (true, Some(flag)) = (vaults.is_empty(), wishes.given()) {
            return Err(Diagnostic::usage(
                format!("`{flag}` is for keys in Vault and OpenBao"),
                "leave it away, or name such a key: `--key hashivault://HOST/v1/transit/keys/KEY`",
            ));
        }
        Ok(Self {
            references,
            held,
            vaults,
            passwords,
            stop: Stop::listen(),
        })
    }

    /// Opens connections to KMS, while credentials are on their way.
    pub(crate) fn preconnect(&self) {
        for holder in self.held.values() {
            if let Holder::Kms(kms) = holder {
                kms.preconnect();
            }
        }
    }

    /// Logs in to every Vault. What goes wrong there is told by the keys that need it.
    pub(crate) async fn log_in(&self) {
        join_all(self.vaults.values().map(Vault::log_in)).await;
    }

    /// Gives back every token that this run obtained; what could not be given back, in words.
    async fn log_out(&self) -> Vec<String> {
        let ended = join_all(self.vaults.values().map(Vault::log_out)).await;
        ended.into_iter().filter_map(Result::err).collect()
    }

    /// Works until it is told to stop, as a CI system does with a job that is cancelled: then, and where the work
    /// fails, the tokens are given back. It listens where there are none, too: in a container this is process 1, to
    /// which the kernel hands no signal that it does not ask for.
    pub(crate) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, Diagnostic>>,
    ) -> Result<T, Diagnostic> {
        let done = match select(pin!(work), pin!(self.stop.told())).await {
            Either::Left((Ok(done), _)) => return Ok(done),
            Either::Left((Err(error), _)) => error,
            Either::Right(_) => Diagnostic {
                code: "interrupted",
                message: "the run was told to stop".to_owned(),
                help: "run it again; what a signer has stored already is kept".to_owned(),
            },
        };
        Err(done.with(&self.close().await))
    }

    /// Gives the tokens back; what whoever runs this should know of connections and tokens.
    async fn close(&self) -> Vec<String> {
        let connections = self.vaults.values().filter_map(Vault::warning);
        let mut warnings: Vec<_> = connections.map(str::to_owned).collect();
        warnings.extend(self.log_out().await);
        warnings
    }

    /// Does the work of a run, and then gives the tokens back. What its user should know is told beside what came
    /// of it.
    pub(crate) async fn during<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<(T, Vec<String>), Diagnostic> {
        let done = self.unless_stopped(async { Ok(work.await) }).await?;
        Ok((done, self.close().await))
    }

    /// Two references to versions of the same key, which one holder has.
    pub(crate) fn same_key(&self) -> Option<(&KeyRef, &KeyRef)> {
        let mut seen: Vec<(&KeyRef, &TransitKey)> = Vec::new();
        for reference in &self.references {
            let Some(Holder::Vault(key)) = self.held.get(reference) else {
                continue;
            };
            if let Some((other, _)) = seen.iter().find(|(_, other)| other.is_same_key(key)) {
                return Some((other, reference));
            }
            seen.push((reference, key));
        }
        None
    }

    /// To sign with.
    pub(crate) fn signers(&self) -> Vec<sign::Key> {
        self.open(|reference| {
            let (holder, passwords) = self.of(&reference);
            async move {
                let signer: Arc<dyn Signer> = match holder {
                    Some(Holder::Kms(kms)) => Arc::new(kms.open_signer().await?),
                    Some(Holder::Vault(key)) => Arc::new(key.open_signer().await?),
                    None => Arc::new(file::open_signer(reference, passwords).await?),
                };
                Ok(signer)
            }
        })
    }

    /// To verify with.
    pub(crate) fn public(&self) -> Vec<verify::Key> {
        self.open(|reference| {
            let (holder, passwords) = self.of(&reference);
            async move {
                match holder {
                    Some(Holder::Kms(kms)) => kms.open_public().await.map(PublicKeys::from),
                    Some(Holder::Vault(key)) => key.open_public().await,
                    None => file::open_public(reference, passwords)
                        .await
                        .map(PublicKeys::from),
                }
            }
        })
    }

    fn of(&self, reference: &KeyRef) -> (Option<Holder>, Passwords) {
        (self.held.get(reference).cloned(), self.passwords.clone())
    }

    fn open<T, F>(&self, open: impl Fn(KeyRef) -> F) -> Vec<Opening<T>>
    where
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        Opening::several(&self.references, self.passwords.would_ask(), open)
    }
}

/// The signals by which a run is asked to end. They are listened for from the beginning to the end: one that comes
/// between two parts of the work would be lost.
struct Stop(Mutex<Option<(Signal, Signal)>>);

impl Stop {
    fn listen() -> Self {
        let signals = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        );
        Self(Mutex::new(match signals {
            (Ok(interrupt), Ok(terminate)) => Some((interrupt, terminate)),
            _ => None,
        }))
    }

    /// Waits for one of them.
    async fn told(&self) {
        let Some((interrupt, terminate)) = &mut *self.0.lock().await else {
            return pending().await;
        };
        select(pin!(interrupt.recv()), pin!(terminate.recv())).await;
    }
}
