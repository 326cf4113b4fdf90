//! S3, KMS, Vault, STS and GitHub's token endpoint as they are at a distance, and a client that does nothing
//! but wait for them.
//!
//! ```text
//! far serve ROUND_TRIP MANIFEST IMAGES [--tls CA_FILE] [--throttle N]
//! far ask ROUND_TRIPS CONNECTIONS PORT [--tls CA_FILE]
//! ```
//!
//! `serve` has the bucket `bench` with MANIFEST as `myapp:t0001` and so on, and a P-256 key, which is
//! `alias/bench` in KMS and `ci-signer` in Vault. All that is sent to it takes ROUND_TRIP ms. It prints a line
//! of JSON when it is ready: the port of each service on 127.0.0.1, the public key, a token that STS takes,
//! one that GitHub takes, one of Vault's, and a JWT with which the role `release` logs in there. With `--tls`
//! it speaks TLS as `localhost`, and the file becomes what a client has to trust. With `--throttle` KMS refuses
//! requests beyond N a second. It ends when its input ends, and prints what it did.
//!
//! `ask` is the floor: so many requests to KMS, over so many connections at once, each asked again while
//! it is throttled. It prints the time that they took, in µs.
#![forbid(unsafe_code)]

mod ask;
mod counted;
mod distance;
mod throttle;

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
use s3lo_test_servers::authority::Authority;
use s3lo_test_servers::aws::{
    AUDIENCE, AwsServer, GITHUB, GITHUB_REQUEST_TOKEN, Key, Subject, Trust, kms_error,
};
use s3lo_test_servers::http::{self, Service};
use s3lo_test_servers::s3::S3Server;
use s3lo_test_servers::vault::{self, VaultServer};
use serde_json::json;

use counted::Counted;
use distance::Distant;
use throttle::Throttle;

const SUBJECT: &str = "repo:octo/app:ref:refs/heads/main";

/// Longer than any run, in seconds.
const LIFETIME: i64 = 86_400;

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
    let tls = options.tls.map(tls).transpose()?;
    let key = Key::of_vector("p256-pkcs8");
    let public_key = pem::encode(&pem::Pem::new("PUBLIC KEY", key.spki()));

    let s3 = S3Server::default();
    for number in 1..=images {
        let path = format!("/bench/manifests/myapp/t{number:04}/manifest.json");
        s3.put(&path, manifest);
    }
    let aws = aws(key.clone(), options.throttle);
    let vault = VaultServer::new(key);
    let token = aws.identity_token(SUBJECT, AUDIENCE, LIFETIME);
    let jwt = aws.identity_token(SUBJECT, "https://vault.example", LIFETIME);

    let open = |service| Open::new(service, round_trip, tls.clone());
    let s3 = open(Box::new(s3))?;
    let [kms, sts, github] = [
        open(Box::new(aws.clone()))?,
        open(Box::new(aws.clone()))?,
        open(Box::new(aws))?,
    ];
    let vault = open(Box::new(vault))?;
    let ready = json!({
        "s3": s3.port, "kms": kms.port, "sts": sts.port, "github": github.port,
        "vault": vault.port, "publicKey": public_key, "token": token,
        "githubToken": GITHUB_REQUEST_TOKEN, "vaultToken": vault::TOKEN, "vaultJwt": jwt,
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

/// TLS by an authority that is made at the start, whose certificate goes into the file.
fn tls(ca_file: &str) -> io::Result<Arc<ServerConfig>> {
    let authority = Authority::generate();
    fs::write(ca_file, authority.pem())?;
    Ok(authority.server(&["localhost", "*.localhost", "127.0.0.1"]))
}

fn aws(key: Key, throttle: Option<u32>) -> AwsServer {
    let server = AwsServer::open();
    let arn = server.add(key);
    server.alias("alias/bench", &arn);
    server.set_subject(SUBJECT);
    let trust = Trust {
        issuer: GITHUB.to_owned(),
        audience: AUDIENCE.to_owned(),
        subject: Subject::Equals(SUBJECT.to_owned()),
    };
    server.role(
        "signer",
        &trust,
        r#"{"Version": "2012-10-17", "Statement": []}"#,
    );
    if let Some(rate) = throttle {
        let mut throttle = Throttle::new(rate);
        server.fault(move |call| {
            (call.service == "kms" && !throttle.admits()).then(|| {
                kms_error(
                    400,
                    "ThrottlingException",
                    "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
                )
            })
        });
    }
    server
}

struct Open {
    port: u16,
    service: Arc<Counted>,
}

impl Open {
    /// Each connection has a thread, which mostly sleeps.
    fn new(
        service: Box<dyn Service>,
        round_trip: Duration,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let service = Arc::new(Counted::new(service));
        let shared = Arc::clone(&service);
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
                    let connection = service.connect();
                    match tls {
                        None => http::serve(&*service, far, connection),
                        Some(tls) => {
                            if let Ok(session) = ServerConnection::new(tls) {
                                http::serve(&*service, StreamOwned::new(session, far), connection);
                            }
                        }
                    }
                });
            }
        });
        Ok(Self { port, service })
    }
}
