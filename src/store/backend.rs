//! The backends: the one list that a new kind of store is added to.

use std::collections::HashMap;
use std::sync::Arc;

use clap::Args;
use s3lo_core::reference;
use s3lo_core::reference::{Reference, Scheme};

use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::store::local::Local;
use crate::store::s3::encryption::EncryptionOptions;
use crate::store::s3::options::S3;
use crate::store::{Backend, Store};

/// Every backend, with its options from the command line.
#[derive(Args, Clone, Debug, Default)]
pub struct Backends {
    #[command(flatten)]
    s3: S3,
    #[command(flatten)]
    local: Local,
}

/// Options of a run that writes, beside those of [`Backends`].
#[derive(Args, Clone, Debug, Default)]
pub struct WriteOptions {
    #[command(flatten)]
    s3: EncryptionOptions,
}

impl Backends {
    /// The backends with the options for writing.
    pub fn writing(&self, options: &WriteOptions) -> Self {
        let mut backends = self.clone();
        backends.s3.written = options.s3.clone();
        backends
    }

    /// The backends with these options of S3, which do not come from a command line.
    pub fn with_s3(s3: S3) -> Self {
        Self {
            s3,
            ..Self::default()
        }
    }

    /// All, in the order of advice.
    pub fn all(&self) -> [&dyn Backend; 2] {
        [&self.s3, &self.local]
    }

    /// The S3 server, if one is named.
    pub fn endpoint(&self) -> Option<&str> {
        self.s3.endpoint()
    }

    /// The store of a reference. References with the same scheme and root share one.
    ///
    /// # Errors
    ///
    /// A setting that is missing or invalid.
    pub async fn open(
        &self,
        reference: &Reference,
        context: &Context,
        stores: &mut Stores,
    ) -> Result<Arc<dyn Store>, Diagnostic> {
        let key = (reference.scheme(), reference.root().to_owned());
        if let Some(store) = stores.get(&key) {
            return Ok(Arc::clone(store));
        }
        let mut backends = self.all().into_iter();
        let Some(backend) = backends.find(|backend| backend.scheme() == key.0) else {
            let error = reference::Error::UnknownScheme {
                scheme: key.0.to_string(),
                schemes: self.all().map(Backend::scheme).to_vec(),
            };
            return Err(Diagnostic::new(&error));
        };
        let store = backend.open(reference.root(), context).await?;
        stores.insert(key, Arc::clone(&store));
        Ok(store)
    }
}

/// The stores of a run, by scheme and root.
pub type Stores = HashMap<(Scheme, String), Arc<dyn Store>>;

/// The schemes of every kind of store.
pub fn schemes() -> [Scheme; 2] {
    Backends::default().all().map(Backend::scheme)
}

/// Parses a reference to an image in any kind of store.
///
/// # Errors
///
/// [`reference::Error`] unless `text` names exactly one tag.
pub fn parse(text: &str) -> Result<Reference, reference::Error> {
    Reference::parse(text, &schemes())
}
