//! The location of a key, by its URI and by flags and variables.

use crate::environment;
use crate::environment::variable;
use crate::key::vault::client::address::{Address, Contradiction, Server};
use crate::key::vault::client::mount::Mount;
use crate::key::vault::client::options::{Error, Options};
use crate::key::vault::client::variables::Variables;
use crate::key::vault::uri::TransitKeyUri;

/// The location of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyLocation {
    /// The server.
    pub server: Server,
    /// The mount of the engine.
    pub mount: Mount,
}

impl KeyLocation {
    /// Finds the location of a key.
    ///
    /// # Errors
    ///
    /// [`Error`] if there is no address, two addresses contradict each other, or a token would be sent in the clear.
    pub fn resolve(uri: &TransitKeyUri, options: &Options) -> Result<Self, Error> {
        let product = uri.product;
        let variables = Variables::of_product(product)?;
        let configured = match &options.address {
            Some(address) => Some(("--vault-address".to_owned(), address.clone())),
            None => variables.address()?,
        };
        let (variable, configured) = match configured {
            None => (String::new(), None),
            Some((variable, text)) => match text.parse::<Address>() {
                Ok(address) => (variable, Some(address)),
                // The text may contain a password, so the error does not repeat it.
                Err(_) => return Err(Error::Address { variable }),
            },
        };
        let named = uri.location.as_ref().map(|(authority, _)| authority);
        let address = Address::resolve(named, configured).map_err(
            |Contradiction {
                 named,
                 variable: other,
             }| Error::Contradiction {
                product,
                named,
                variable,
                other,
            },
        )?;
        let address = address.ok_or(Error::NoAddress { product })?;
        if !address.is_guarded() && !options.plain_http {
            return Err(Error::PlainHttp { address });
        }
        let mount = match &uri.location {
            Some((_, mount)) => mount.clone(),
            None => default_mount()?,
        };
        Ok(Self {
            server: Server { product, address },
            mount,
        })
    }
}

/// The mount of cosign's variable, or its default.
fn default_mount() -> Result<Mount, Error> {
    const VARIABLE: &str = "TRANSIT_SECRET_ENGINE_PATH";
    let text = variable(VARIABLE)?.unwrap_or_else(|| "transit".to_owned());
    let mount = Mount::parse(&text);
    Ok(mount.ok_or_else(|| environment::Error::new(VARIABLE, text, "the path of a mount"))?)
}
