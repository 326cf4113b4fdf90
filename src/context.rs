//! Settings that all keys and stores of a run share, and the AWS configuration once one of them needs it.

use std::io;

use secrecy::SecretSlice;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::aws::arn::Arn;
use crate::aws::config;
use crate::aws::config::Aws;
use crate::aws::config_files;
use crate::diagnostic::Diagnostic;
use crate::mask::Mask;

/// Settings that all keys and stores of a run share.
pub struct Context {
    /// The source of key files' passwords.
    pub passwords: Passwords,
    settings: config::Settings,
    aws: OnceCell<Aws>,
}

impl Context {
    /// The context of a run. AWS is not configured yet.
    pub fn new(settings: config::Settings, passwords: Passwords) -> Self {
        Self {
            passwords,
            settings,
            aws: OnceCell::new(),
        }
    }

    /// The AWS configuration, read from environment and profile when it is first asked for. If nothing else names a
    /// region, that of `key` counts.
    ///
    /// # Errors
    ///
    /// An invalid option, variable or profile.
    pub async fn aws(&self, key: Option<&Arn>) -> Result<&Aws, Diagnostic> {
        let configure = || async {
            let files = config_files::check(self.settings.deadline).await;
            files.map_err(|error| Diagnostic::new(&error))?;
            let aws = Aws::configure(&self.settings, key).await;
            aws.map_err(|error| Diagnostic::new(&error))
        };
        self.aws.get_or_try_init(configure).await
    }

    /// The AWS configuration, if a key or store needed it.
    pub fn configured_aws(&self) -> Option<&Aws> {
        self.aws.get()
    }

    /// The end of the run's time.
    pub fn deadline(&self) -> Instant {
        self.settings.deadline
    }

    /// Masks secrets in logs.
    pub fn mask(&self) -> &Mask {
        &self.settings.mask
    }
}

/// The source of key files' passwords.
#[derive(Clone, Default)]
pub struct Passwords {
    /// COSIGN_PASSWORD. Unset and empty both mean the empty password, as they do to s3lo.
    pub variable: Option<SecretSlice<u8>>,
    /// Asks the person at the terminal, if there is one.
    pub ask: Option<Ask>,
}

impl Passwords {
    /// Whether a person is asked for passwords.
    pub fn are_asked_for(&self) -> bool {
        self.variable.is_none() && self.ask.is_some()
    }
}

/// Asks for the password of the key with this reference.
pub type Ask = fn(&str) -> io::Result<SecretSlice<u8>>;
