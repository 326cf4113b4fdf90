//! Credentials that the CI system left as `$(NAME)`, since it knows no variable of that name.

use crate::aws;
use crate::ci::inputs::{Error, Origin, sources};
use crate::diagnostic::Diagnostic;
use crate::environment::is_true;
use crate::key::provider::Provider;
use crate::key::registry::{self, Providers};

/// The variables with which AWS SDKs sign requests.
const OF_AWS: [&str; 3] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// The error for a variable that the run would take its credentials from.
pub(crate) fn check(
    references: &[String],
    keys: &[String],
    aws: &aws::Options,
) -> Result<(), Diagnostic> {
    let is_azure = is_true("TF_BUILD");
    let keys: Vec<_> = keys
        .iter()
        .filter_map(|key| registry::parse(key).ok())
        .collect();
    let asks_aws = references.iter().any(|text| text.starts_with("s3://"))
        || keys.iter().any(|key| key.scheme() == "awskms");
    let mut names: Vec<&str> = Vec::new();
    if asks_aws && aws.role.arn.is_none() {
        names.extend(OF_AWS);
    }
    // A password or a token may look like anything.
    if is_azure {
        let providers = Providers::default();
        let used = keys.iter().filter_map(|key| providers.find(key.scheme()));
        names.extend(used.flat_map(Provider::secret_variables));
    }
    for variable in names {
        let value = std::env::var(variable).unwrap_or_default();
        if let Some(name) = sources::undefined_macro(&value, false) {
            return Err(Diagnostic::new(&Error::Undefined {
                origin: Origin(variable.to_owned()),
                name: name.to_owned(),
            }));
        }
    }
    Ok(())
}
