//! Faults of KMS, STS, GitHub's tokens and S3.

mod fault;
mod many;
mod of_kms;
mod of_public_key;
mod of_role;
mod of_s3;
mod of_signature;
mod of_verify;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::fault::{Fault, Scene};
use crate::support::aws_fixture::{AwsFixture, EVERYTHING, MANIFEST_PATH, RECORDS_PATH, ROLE_ARN};
use crate::support::faults::outcome::Broken;
use crate::support::faults::records::private_key;
use crate::support::faults::{self as tables, Services};
use crate::support::program::{Run, Sandbox};
use s3lo_test_servers::aws::{self, Key};
use s3lo_test_servers::http::Request;

/// A call that a run makes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    /// GitHub: the identity token.
    Token,
    /// STS: AssumeRoleWithWebIdentity.
    Assume,
    /// S3: GetObject of the manifest.
    Manifest,
    /// S3: ListObjectsV2.
    List,
    /// KMS: GetPublicKey.
    PublicKey,
    /// KMS: Sign.
    Sign,
    /// S3: PutObject of the record.
    Put,
    /// S3: the conditional GetObject of the manifest.
    Recheck,
    /// S3: GetObject of the record.
    Record,
}

impl Call {
    fn is_of_aws(self) -> bool {
        matches!(
            self,
            Self::Token | Self::Assume | Self::PublicKey | Self::Sign
        )
    }

    fn is_to_aws(self, call: &aws::Call) -> bool {
        match self {
            Self::Token => call.service == "github",
            Self::Assume => call.action == "AssumeRoleWithWebIdentity",
            Self::PublicKey => call.action == "GetPublicKey",
            Self::Sign => call.action == "Sign",
            _ => false,
        }
    }

    fn is_to_s3(self, request: &Request) -> bool {
        let conditional = request.headers.contains_key("if-none-match");
        let get = request.method == "GET";
        match self {
            Self::Manifest => get && request.path == MANIFEST_PATH && !conditional,
            Self::Recheck => get && request.path == MANIFEST_PATH && conditional,
            Self::List => get && request.query.contains("list-type=2"),
            Self::Put => request.method == "PUT",
            Self::Record => get && request.path.starts_with(RECORDS_PATH),
            _ => false,
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token => "the identity token",
            Self::Assume => "AssumeRoleWithWebIdentity",
            Self::Manifest => "GetObject of the manifest",
            Self::List => "ListObjectsV2",
            Self::PublicKey => "GetPublicKey",
            Self::Sign => "Sign",
            Self::Put => "PutObject of the record",
            Self::Recheck => "the second GetObject of the manifest",
            Self::Record => "GetObject of the record",
        })
    }
}

/// The command at whose call the faults strike.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    /// `sign` with credentials in the environment.
    Sign,
    /// `sign` in a job of GitHub Actions that assumes a role.
    SignInGitHub,
    /// `verify` of an image that is signed.
    Verify,
    /// The same, and S3 refuses to give the record.
    VerifyRefused,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sign => "sign",
            Self::SignInGitHub => "sign in GitHub",
            Self::Verify => "verify",
            Self::VerifyRefused => "verify without the record",
        })
    }
}

type Row = tables::Row<Aws>;

/// An image in S3 and a key in KMS, one of whose calls a fault strikes.
struct Aws {
    fixture: AwsFixture,
    made: Arc<AtomicUsize>,
}

static REFUSED: (Call, Fault) = (Call::Record, of_s3::DENIED);

impl Services for Aws {
    type Call = Call;
    type Fault = Fault;
    type Command = Command;

    const LIMIT: &str = "AWS_MAX_ATTEMPTS";
    const IMAGE: &str = "s3://my-bucket/myapp:v1.0";
    const KEY: &str = "awskms:///alias/release-signer";

    fn verifies(command: Command) -> bool {
        matches!(command, Command::Verify | Command::VerifyRefused)
    }

    fn start(command: Command) -> Self {
        let aws = match command {
            Command::SignInGitHub => AwsFixture::in_github(EVERYTHING),
            Command::Sign | Command::Verify | Command::VerifyRefused => AwsFixture::new(),
        };
        Self {
            fixture: aws,
            made: Arc::default(),
        }
    }

    fn sandbox(&mut self) -> &mut Sandbox {
        &mut self.fixture.sandbox
    }

    fn store_another_record(&self) {
        Scene::of(&self.fixture).store_another_record();
    }

    fn strike(&self, command: Command, call: Call, row: &'static Row) {
        let aws = &self.fixture;
        let also = match command {
            Command::VerifyRefused => Some(&REFUSED),
            _ => row.and.as_ref(),
        };
        let struck = {
            let (made, scene) = (Arc::clone(&self.made), Scene::of(aws));
            move |is_it: &dyn Fn(Call) -> bool, request: Option<&Request>| {
                if is_it(call) {
                    let number = made.fetch_add(1, Ordering::SeqCst);
                    return (number < row.times.0).then(|| row.fault.reply(&scene, request))?;
                }
                also.filter(|(call, _)| is_it(*call))
                    .and_then(|(_, fault)| fault.reply(&scene, request))
            }
        };
        // If S3 has no fault, the guard stays, which asks whose credentials these are.
        let at_s3 = |call: &Call| !call.is_of_aws();
        if at_s3(&call) || also.is_some_and(|(call, _)| at_s3(call)) {
            let struck = struck.clone();
            aws.s3
                .fault(move |asked| struck(&|call| call.is_to_s3(asked), Some(asked)));
        }
        aws.server
            .fault(move |asked| struck(&|call| call.is_to_aws(asked), None));
    }

    fn flags(&self, command: Command, row: &Row) -> String {
        let key = if row.by_arn {
            &self.fixture.key
        } else {
            "alias/release-signer"
        };
        let role = match command {
            Command::SignInGitHub => format!("--role-arn {ROLE_ARN}"),
            _ => String::new(),
        };
        format!("--key awskms:///{key} {role}")
    }

    fn made(&self, _: Call) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    fn records(&self) -> Vec<Vec<u8>> {
        self.fixture.records()
    }

    fn check(&self, broken: &mut Broken, (command, call): (Command, Call), _: &Row, _: &Run) {
        let aws = &self.fixture;
        if Self::verifies(command) {
            let requests = aws.s3.requests();
            let stored = requests.iter().any(|asked| asked.starts_with("PUT"));
            broken.unless(!stored, || "verify stored something".to_owned());
        }
        if call == Call::Assume {
            // STS takes a token of GitHub once: a token that failed may be why it failed.
            let calls = aws.calls();
            let assumed = calls.iter().filter(|call| Call::Assume.is_to_aws(call));
            let mut tokens: Vec<_> = assumed
                .map(|call| call.body["WebIdentityToken"].to_string())
                .collect();
            let tried = tokens.len();
            tokens.sort_unstable();
            tokens.dedup();
            broken.unless(tokens.len() == tried, || {
                "a token was used twice".to_owned()
            });
        }
    }
}

/// The tables count on it: the vector is the key of the fixture.
#[test]
fn the_key_of_the_fixture_is_the_key_of_the_tables() {
    let vector = Key::of_vector("p256-pkcs8");
    assert_eq!(vector.spki(), private_key().public().spki());
}
