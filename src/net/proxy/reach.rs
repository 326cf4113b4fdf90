//! Whether there is a proxy at all.

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::net::CONNECT_TIMEOUT;
use crate::net::error_chain::innermost;
use crate::net::proxy::{Error, Proxy};

impl Proxy {
    /// Opens a connection to the proxy, and closes it.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`] if that is not possible.
    pub(crate) async fn reach(&self) -> Result<(), Error> {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or_default();
        let opened = TcpStream::connect((host.trim_matches(['[', ']']), port));
        let reason = match timeout(CONNECT_TIMEOUT, opened).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => innermost(&error),
            Err(_) => "no answer in time".to_owned(),
        };
        let (proxy, variable) = (self.to_string(), self.variable.clone());
        Err(Error::Unreachable {
            proxy,
            variable,
            reason,
        })
    }
}
