//! S3, KMS, Vault, STS and GitHub's token endpoint as they are at a distance, and a client that does nothing
//! but wait for them.
//!
//! ```text
//! far serve ROUND_TRIP MANIFEST IMAGES [--tls CA_FILE] [--throttle N]
//! far ask ROUND_TRIPS CONNECTIONS PORT [--tls CA_FILE]
//! ```
//!
//! `serve` holds the bucket `bench` with MANIFEST as `myapp:t0001` and so on, and two P-256 keys:
//! `alias/bench` in KMS, `ci-signer` in Vault. All that is sent to it takes ROUND_TRIP ms. It prints a line
//! of JSON when it is ready: the port of each service on 127.0.0.1, the public key of `alias/bench`, a token
//! that STS takes, one of Vault's, and a JWT with which the role `ci` logs in there. With `--tls` it
//! speaks TLS 1.3 as `localhost`, and the file becomes what a client has to trust. With `--throttle`
//! KMS refuses what exceeds N requests a second. It ends when its input ends, and prints what it did.
//!
//! `ask` is the floor: so many requests to KMS, over so many connections at once, each asked again while
//! it is throttled. It prints the time that they took, in µs.
#![forbid(unsafe_code)]

mod ask;
mod distance;
mod http;
mod key;
mod kms;
mod s3;
mod sts;
mod tls;
mod vault;

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use distance::Distant;
use http::Service;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("far: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    match arguments {
        ["serve", round_trip, manifest, images, options @ ..] => serve(
            Duration::from_millis(round_trip.parse()?),
            &fs::read(manifest)?,
            images.parse()?,
            &Options::parse(options)?,
        ),
        ["ask", requests, connections, port, options @ ..] => {
            let ca = Options::parse(options)?.tls;
            let begun = Instant::now();
            ask::ask(requests.parse()?, connections.parse()?, port.parse()?, ca)?;
            println!("{}", begun.elapsed().as_micros());
            Ok(())
        }
        _ => Err("see the head of its source for what can be asked".into()),
    }
}

#[derive(Default)]
struct Options<'a> {
    tls: Option<&'a str>,
    throttle: Option<u32>,
}

impl<'a> Options<'a> {
    fn parse(arguments: &[&'a str]) -> Result<Self, Box<dyn Error>> {
        let mut options = Self::default();
        let mut rest = arguments;
        loop {
            rest = match rest {
                [] => return Ok(options),
                ["--tls", file, rest @ ..] => {
                    options.tls = Some(file);
                    rest
                }
                ["--throttle", rate, rest @ ..] => {
                    options.throttle = Some(rate.parse()?);
                    rest
                }
                [other, ..] => return Err(format!("what is {other}?").into()),
            };
        }
    }
}

fn serve(
    round_trip: Duration,
    manifest: &[u8],
    images: u32,
    options: &Options<'_>,
) -> Result<(), Box<dyn Error>> {
    let tls = options.tls.map(tls::server).transpose()?;
    let place = Place { round_trip, tls };
    let key = kms::Kms::new(options.throttle)?;
    let public_key = key.public_key_pem();
    let s3 = place.open(s3::Bucket::new(manifest, images))?;
    let kms = place.open(key)?;
    let sts = place.open(sts::Sts)?;
    let github = place.open(sts::GitHub)?;
    let transit = vault::Vault::new()?;
    let jwt = transit.jwt().to_owned();
    let vault = place.open(transit)?;
    let ready = json!({
        "s3": s3.port, "kms": kms.port, "sts": sts.port, "github": github.port,
        "vault": vault.port, "publicKey": public_key, "token": sts::TOKEN,
        "vaultToken": vault::token(0), "vaultJwt": jwt,
    });
    println!("{ready}");
    io::stdout().flush()?;

    io::stdin().read_to_end(&mut Vec::new())?;
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let used = Duration::new(used.tv_sec.try_into()?, used.tv_nsec.try_into()?);
    let did = json!({
        "s3": s3.service.did(), "kms": kms.service.did(), "sts": sts.service.did(),
        "github": github.service.did(), "vault": vault.service.did(), "processorMs": used.as_millis(),
    });
    println!("{did}");
    Ok(())
}

struct Place {
    round_trip: Duration,
    tls: Option<Arc<ServerConfig>>,
}

struct Open {
    port: u16,
    service: Arc<Service>,
}

impl Place {
    /// Each connection has a thread, which mostly sleeps.
    fn open(&self, answers: impl http::Answers + 'static) -> io::Result<Open> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let service = Arc::new(Service::new(answers));
        let (round_trip, tls, shared) = (self.round_trip, self.tls.clone(), Arc::clone(&service));
        thread::spawn(move || {
            loop {
                let Ok((socket, _)) = listener.accept() else {
                    continue;
                };
                let accepted = Instant::now();
                let (tls, service) = (tls.clone(), Arc::clone(&shared));
                thread::spawn(move || {
                    let Ok(far) = Distant::new(socket, accepted, round_trip) else {
                        return;
                    };
                    match tls {
                        None => service.serve(far),
                        Some(tls) => {
                            if let Ok(connection) = ServerConnection::new(tls) {
                                service.serve(StreamOwned::new(connection, far));
                            }
                        }
                    }
                });
            }
        });
        Ok(Open { port, service })
    }
}
