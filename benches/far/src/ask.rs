//! The floor: nothing but connections and requests.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: TrentService.GetPublicKey\r\n\
    Content-Type: application/x-amz-json-1.1\r\nContent-Length: 23\r\n\r\n{\"KeyId\":\"alias/bench\"}";

trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

pub(crate) fn ask(
    requests: usize,
    connections: usize,
    port: u16,
    ca_file: Option<&str>,
) -> Result<(), Box<dyn Error>> {
    let tls = ca_file.map(trusting).transpose()?;
    let next = AtomicUsize::new(0);
    let work = || {
        let mut connection = connect(port, tls.clone())?;
        while next.fetch_add(1, Ordering::Relaxed) < requests {
            while !request(&mut *connection)? {}
        }
        Ok(())
    };
    let done: io::Result<()> = thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or(Err(io::ErrorKind::Other.into())))
    });
    Ok(done?)
}

/// TLS 1.3 by the authority in the file.
fn trusting(ca_file: &str) -> Result<Arc<ClientConfig>, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file)?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn connect(port: u16, tls: Option<Arc<ClientConfig>>) -> io::Result<Box<dyn Connection>> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nodelay(true)?;
    let Some(config) = tls else {
        return Ok(Box::new(socket));
    };
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    Ok(Box::new(StreamOwned::new(connection, socket)))
}

/// Whether it was answered; if not, it was throttled.
fn request(connection: &mut dyn Connection) -> io::Result<bool> {
    connection.write_all(REQUEST)?;
    connection.flush()?;
    // Each answer comes in one piece and is shorter than this.
    let mut answer = [0; 4096];
    let length = connection.read(&mut answer)?;
    match &answer[..length] {
        answer if answer.starts_with(b"HTTP/1.1 200") => Ok(true),
        answer if answer.starts_with(b"HTTP/1.1 400") => Ok(false),
        _ => Err(io::Error::other("an answer that is not one")),
    }
}
