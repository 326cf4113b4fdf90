//! A key that is opened once, however many images wait for it.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use crate::key::error::Error;
use crate::key::reference::KeyRef;

/// A key that is opened when it is first needed: a signer, or public keys.
#[derive(Clone)]
pub struct LazyKey<T> {
    /// The reference, as the user wrote it.
    pub reference: KeyRef,
    shared: Shared<BoxFuture<'static, Result<T, Error>>>,
}

impl<T: Clone + Send + Sync + 'static> LazyKey<T> {
    /// A key that `open` opens. It runs once, when first waited for.
    pub fn new(
        reference: KeyRef,
        open: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Self {
        Self {
            reference,
            shared: open.boxed().shared(),
        }
    }

    /// The same key, for messages that name it differently.
    pub(crate) fn renamed(self, reference: KeyRef) -> Self {
        Self { reference, ..self }
    }

    /// Waits until the key is open.
    ///
    /// # Errors
    ///
    /// [`Error`] if it cannot be opened, the same for every caller.
    pub async fn opened(&self) -> Result<T, Error> {
        self.shared.clone().await
    }
}
