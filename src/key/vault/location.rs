//! Where a key is: what its reference says, and what flags and variables add.

use crate::environment;
use crate::environment::variable;
use crate::key::vault::client::address::{Address, Contradiction, Server};
use crate::key::vault::client::config::{Error, Wishes};
use crate::key::vault::client::variables::Variables;
use crate::key::vault::uri::{Mount, Name};

/// Where a key is: the server, and its mount there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The server.
    pub server: Server,
    /// The engine.
    pub mount: Mount,
}

impl Place {
    /// Where the key `name` is.
    ///
    /// # Errors
    ///
    /// [`Error`] if nothing says it, or two say different things, or a token would go there in the clear.
    pub fn of(name: &Name, wishes: &Wishes) -> Result<Self, Error> {
        let variables = Variables::of_service(name.service)?;
        let said = match &wishes.address {
            Some(address) => Some(("--vault-address".to_owned(), address.clone())),
            None => variables.of("ADDR")?,
        };
        let (variable, parsed) = match &said {
            None => (None, None),
            Some((variable, text)) => match text.parse::<Address>() {
                Ok(address) => (Some(variable.clone()), Some(address)),
                // It may hold a password.
                Err(_) => {
                    return Err(Error::Address {
                        variable: variable.clone(),
                    });
                }
            },
        };
        let named = name.place.as_ref().map(|(authority, _)| authority);
        let address = Address::resolve(named, parsed);
        let address = address.map_err(
            |Contradiction {
                 named,
                 variable: other,
             }| {
                Error::Contradiction {
                    service: name.service,
                    named,
                    variable: variable.clone().unwrap_or_default(),
                    other,
                }
            },
        )?;
        let service = name.service;
        let address = address.ok_or(Error::NoAddress { service })?;
        if !address.is_guarded() && !wishes.plain_http {
            return Err(Error::PlainHttp { address });
        }
        let mount = match &name.place {
            Some((_, mount)) => mount.clone(),
            None => default_mount()?,
        };
        Ok(Self {
            server: Server { service, address },
            mount,
        })
    }
}

/// cosign's variable, and its default.
fn default_mount() -> Result<Mount, Error> {
    const VARIABLE: &str = "TRANSIT_SECRET_ENGINE_PATH";
    let text = variable(VARIABLE)?.unwrap_or_else(|| "transit".to_owned());
    let mount = Mount::parse(&text);
    Ok(mount.ok_or_else(|| environment::Error::new(VARIABLE, text, "the path of a mount"))?)
}
