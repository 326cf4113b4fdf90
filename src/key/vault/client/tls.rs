//! TLS settings from VAULT_CACERT and related variables, as
//! [Vault's own client](https://developer.hashicorp.com/vault/docs/commands#environment-variables) takes them.

use std::path::PathBuf;

use reqwest::{Certificate, ClientBuilder, Identity};
use s3lo_core::explain::Explain;
use zeroize::Zeroizing;

use crate::bounded_file;
use crate::environment;
use crate::key::vault::client::variables::Variables;
use crate::net::ca_bundle;
use crate::net::ca_bundle::Bundle;
use crate::text::{os_reason, shown_path};

/// TLS settings: trusted authorities and the client's certificate.
pub(crate) struct Trust {
    authorities: Option<Vec<Certificate>>,
    identity: Option<Identity>,
    /// The variable that turns verification off.
    skip_verify: Option<String>,
}

impl Trust {
    /// Reads the environment. The authorities come from the first that is set of VAULT_CACERT, VAULT_CACERT_BYTES and
    /// VAULT_CAPATH, or else from the system.
    pub(crate) fn from_environment(variables: Variables) -> Result<Self, Error> {
        Ok(Self {
            authorities: authorities(variables)?,
            identity: identity(variables)?,
            skip_verify: variables.flag("SKIP_VERIFY")?,
        })
    }

    /// A warning, if certificates are not verified.
    pub(crate) fn warning(&self) -> Option<String> {
        let variable = self.skip_verify.as_ref()?;
        Some(format!(
            "{variable} is set: anyone who answers in Vault's place gets the token"
        ))
    }

    pub(crate) fn apply(self, mut builder: ClientBuilder) -> ClientBuilder {
        if let Some(authorities) = self.authorities {
            builder = builder.tls_certs_only(authorities);
        }
        if let Some(identity) = self.identity {
            builder = builder.identity(identity);
        }
        if self.skip_verify.is_some() {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        builder
    }
}

fn authorities(variables: Variables) -> Result<Option<Vec<Certificate>>, Error> {
    let bundles = if let Some((name, path)) = variables.value("CACERT")? {
        vec![Bundle::read(&name, &path)?]
    } else if let Some((name, pem)) = variables.value("CACERT_BYTES")? {
        vec![Bundle::parse(&name, &name, pem.as_bytes())?]
    } else if let Some((name, folder)) = variables.value("CAPATH")? {
        folder_of(&name, &folder)?
    } else {
        return Ok(None);
    };
    let all = bundles.into_iter().flat_map(Bundle::into_certificates);
    Ok(Some(all.collect()))
}

/// Reads every file of a folder, but none of its subfolders. As for OpenSSL, other files may lie beside those of
/// certificates, if there is one.
fn folder_of(name: &str, folder: &str) -> Result<Vec<Bundle>, ca_bundle::Error> {
    let unusable = |reason| ca_bundle::unusable(name, folder, reason);
    let entries = std::fs::read_dir(folder).map_err(|error| unusable(os_reason(&error)))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .take(MAX_CA_FILES)
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(unusable("it holds no file".to_owned()));
    }
    let read = |path: &PathBuf| Bundle::read(name, &path.to_string_lossy());
    let (mut bundles, mut odd) = (Vec::new(), None);
    for bundle in files.iter().map(read) {
        match bundle {
            Ok(bundle) => bundles.push(bundle),
            Err(error) => {
                odd.get_or_insert(error);
            }
        }
    }
    match odd {
        Some(error) if bundles.is_empty() => Err(error),
        _ => Ok(bundles),
    }
}

/// The most files that are read of a folder of authorities.
const MAX_CA_FILES: usize = 1000;

fn identity(variables: Variables) -> Result<Option<Identity>, Error> {
    let pair = (
        variables.value("CLIENT_CERT")?,
        variables.value("CLIENT_KEY")?,
    );
    let ((certificate_variable, certificate), (key_variable, key)) = match pair {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        (Some((set, _)), None) => {
            let missing = set.replace("_CERT", "_KEY");
            return Err(Error::HalfPair { set, missing });
        }
        (None, Some((set, _))) => {
            let missing = set.replace("_KEY", "_CERT");
            return Err(Error::HalfPair { set, missing });
        }
    };
    let mut pem = Zeroizing::new(Bundle::read(&certificate_variable, &certificate)?.into_pem());
    let unusable = |reason: String| Error::ClientKey {
        variable: key_variable.clone(),
        path: shown_path(&key).to_owned(),
        reason,
    };
    let private = bounded_file::read(&key, ca_bundle::MAX_LEN);
    let private = private.map_err(|error| unusable(error.to_string()))?;
    pem.push(b'\n');
    pem.extend_from_slice(&private);
    match Identity::from_pem(&pem) {
        Ok(identity) => Ok(Some(identity)),
        Err(_) => Err(unusable("it holds no private key in PEM".to_owned())),
    }
}

/// Why certificates or keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of certificates is missing or none.
    #[error(transparent)]
    Bundle(#[from] ca_bundle::Error),
    /// The client's private key cannot be used.
    #[error("the private key of {variable}, `{path}`, cannot be used: {reason}")]
    ClientKey {
        /// The variable.
        variable: String,
        /// The file.
        path: String,
        /// The reason.
        reason: String,
    },
    /// A certificate without its key, or a key without its certificate.
    #[error("{set} is set and {missing} is not")]
    HalfPair {
        /// The part that is set.
        set: String,
        /// The part that is not.
        missing: String,
    },
    /// A variable that means nothing.
    #[error(transparent)]
    Variable(#[from] environment::Error),
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        "configuration"
    }

    fn help(&self) -> String {
        match self {
            Self::Bundle(error) => error.help(),
            Self::ClientKey { variable, .. } => format!(
                "let {variable} name a file with one private key in PEM, without a password"
            ),
            Self::HalfPair { set, missing } => format!("set {missing} as well, or unset {set}"),
            Self::Variable(error) => error.help(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_certificates_may_hold_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let read = || folder_of("VAULT_CAPATH", folder.path().to_str().unwrap());
        write("README", "the authorities of this site");
        write(
            "0a1b2c3d.r0",
            &pem::encode(&pem::Pem::new("X509 CRL", b"x".to_vec())),
        );
        assert!(read().is_err());
        let key = rcgen::KeyPair::generate().unwrap();
        let authority = rcgen::CertificateParams::default()
            .self_signed(&key)
            .unwrap();
        write("ca.pem", &authority.pem());
        assert_eq!(read().unwrap().len(), 1);
    }
}
