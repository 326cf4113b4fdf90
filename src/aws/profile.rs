//! The profile that counts in `~/.aws/config` and `~/.aws/credentials`, as far as it is looked at before the SDK reads
//! it: for what the SDK would do without a check, or cannot do.

use crate::text::printable;
use aws_config::profile::{Profile, ProfileSet};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};

use crate::aws::credential_text;
use crate::aws::credential_text::Field;
use crate::aws::error::Error;

/// The profile of AWS_PROFILE, or `default`, and those that it takes credentials from.
pub(crate) struct Profiles(Option<ProfileSet>);

/// A role that a profile assumes by an identity token.
pub(crate) struct TokenRole {
    /// The name of the profile.
    pub(crate) profile: String,
    pub(crate) arn: String,
    pub(crate) token_file: String,
    pub(crate) session_name: Option<String>,
}

impl Profiles {
    /// Reads the files. Where they cannot be read, the SDK reports why when it reads them.
    pub(crate) async fn load() -> Self {
        let files = EnvConfigFiles::default();
        let read = aws_config::profile::load(&Fs::real(), &Env::real(), &files, None).await;
        Self(read.ok())
    }

    /// The profile, and those that are its sources.
    fn chain(&self) -> Vec<&Profile> {
        let Some(set) = &self.0 else {
            return Vec::new();
        };
        let mut chain: Vec<&Profile> = Vec::new();
        let mut next = Some(set.selected_profile());
        while let Some(profile) = next.and_then(|name| set.get_profile(name)) {
            if chain.iter().any(|seen| seen.name() == profile.name()) {
                break;
            }
            chain.push(profile);
            next = profile.get("source_profile");
        }
        chain
    }

    /// Checks that the SDK knows the way in which the profile gets credentials, and that those in profiles can be
    /// sent: the SDK signs requests with them to assume the role of another profile.
    ///
    /// # Errors
    ///
    /// [`Error::LoginProfile`] for a profile of `aws login`, and [`Error::MalformedCredential`].
    pub(crate) fn check(&self) -> Result<(), Error> {
        let chain = self.chain();
        let login = |profile: &&&Profile| profile.get("login_session").is_some();
        if let Some(profile) = chain.iter().find(login) {
            return Err(Error::LoginProfile {
                profile: profile.name().to_owned(),
            });
        }
        for profile in chain {
            for (name, field) in [
                ("aws_access_key_id", Field::AccessKeyId),
                ("aws_secret_access_key", Field::SecretAccessKey),
                ("aws_session_token", Field::SessionToken),
            ] {
                let Some(text) = profile.get(name) else {
                    continue;
                };
                credential_text::check(field, text, || format!("{name} of {}", of(profile)))?;
            }
        }
        Ok(())
    }

    /// The role that the profile assumes by the identity token in a file.
    pub(crate) fn token_role(&self) -> Option<TokenRole> {
        let chain = self.chain();
        let profile = chain.first()?;
        if profile.get("credential_source").is_some() || profile.get("source_profile").is_some() {
            return None;
        }
        Some(TokenRole {
            profile: profile.name().to_owned(),
            arn: profile.get("role_arn")?.to_owned(),
            token_file: profile.get("web_identity_token_file")?.to_owned(),
            session_name: profile.get("role_session_name").map(str::to_owned),
        })
    }

    /// Whether the profile itself asks for the credentials in the environment, to assume a role with them.
    pub(crate) fn takes_the_environment(&self) -> bool {
        let source = |profile: &&Profile| profile.get("credential_source") == Some("Environment");
        self.chain().iter().any(source)
    }

    /// The names of all profiles, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.0.iter().flat_map(ProfileSet::profiles);
        let mut names: Vec<_> = names.map(str::to_owned).collect();
        names.sort_unstable();
        names
    }

    /// The name of the profile that counts, for messages.
    pub(crate) fn described(&self) -> String {
        match self.chain().first() {
            Some(profile) => of(profile),
            None => "the profile".to_owned(),
        }
    }
}

fn of(profile: &Profile) -> String {
    format!("the profile `{}`", printable(profile.name()))
}
