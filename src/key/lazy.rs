//! A key that is opened once, however many images wait for it.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use crate::key::{Error, KeyRef};

/// A key on its way: what signs, or a public key.
#[derive(Clone)]
pub struct Opening<T> {
    /// As the user named it.
    pub reference: KeyRef,
    shared: Shared<BoxFuture<'static, Result<T, Error>>>,
}

impl<T: Clone + Send + Sync + 'static> Opening<T> {
    /// A key that `opening` opens. It runs once, when first waited for.
    pub fn new(
        reference: KeyRef,
        opening: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Self {
        Self {
            reference,
            shared: opening.boxed().shared(),
        }
    }

    /// Several keys; each waits for the one before it if they must come `in_turn`, as a person who is
    /// asked for passwords must be.
    pub fn several<F>(references: &[KeyRef], in_turn: bool, open: impl Fn(KeyRef) -> F) -> Vec<Self>
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let mut keys: Vec<Self> = Vec::with_capacity(references.len());
        for reference in references {
            let opening = open(reference.clone());
            let before = keys.last().cloned().filter(|_| in_turn);
            let opening = async move {
                if let Some(before) = before {
                    let _ = before.opened().await;
                }
                opening.await
            };
            keys.push(Self::new(reference.clone(), opening));
        }
        keys
    }

    /// Waits until the key is open.
    ///
    /// # Errors
    ///
    /// [`Error`] if it cannot be opened, the same to everybody who waits.
    pub async fn opened(&self) -> Result<T, Error> {
        self.shared.clone().await
    }
}
