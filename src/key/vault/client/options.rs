//! Vault's options on the command line, and the errors of its configuration.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use s3lo_core::explain::{Explain, Fact};

use crate::environment;
use crate::identity::ci_system::CiSystem;
use crate::identity::token_source;
use crate::key::vault::client::address::{Address, Product, Server};
use crate::key::vault::client::method::Method;
use crate::key::vault::client::tls;
use crate::key::vault::client::token::TokenOrigin;
use crate::key::vault::client::variables::Variables;
use crate::net::ca_bundle;
use crate::net::proxy;
use crate::net::url::Authority;
use crate::option_name::{OptionName, option};
use crate::text::backquoted;

/// The address of a Vault or OpenBao server, and how to log in there.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
#[command(next_help_heading = "Vault")]
pub struct Options {
    /// URL of the Vault or OpenBao server [default: the key's host, or VAULT_ADDR]
    #[arg(id = "vault-address", long = "vault-address", value_name = "URL")]
    pub address: Option<String>,
    /// Vault namespace, of the login as well [default: VAULT_NAMESPACE]
    #[arg(
        id = "vault-namespace",
        long = "vault-namespace",
        value_name = "NAMESPACE"
    )]
    pub namespace: Option<String>,
    /// Login method, instead of VAULT_TOKEN [default: VAULT_AUTH_METHOD, or jwt if there is a role]
    #[arg(
        id = "vault-auth",
        long = "vault-auth",
        value_enum,
        value_name = "METHOD"
    )]
    pub method: Option<Method>,
    /// Vault role to log in as [default: VAULT_AUTH_ROLE]
    #[arg(id = "vault-role", long = "vault-role", value_name = "ROLE", value_parser = NonEmptyStringValueParser::new())]
    pub role: Option<String>,
    /// Mount of the login method in Vault [default: VAULT_AUTH_PATH, or the method's name]
    #[arg(
        id = "vault-auth-mount",
        long = "vault-auth-mount",
        value_name = "PATH"
    )]
    pub mount: Option<String>,
    /// Audience of the identity token that is sent to Vault [default: the server's URL]
    #[arg(id = "vault-audience", long = "vault-audience", value_name = "AUDIENCE", value_parser = NonEmptyStringValueParser::new())]
    pub audience: Option<String>,
    /// File with the identity token for Vault; for kubernetes, the pod's
    #[arg(id = "vault-jwt-file", long = "vault-jwt-file", value_name = "FILE")]
    pub jwt_file: Option<String>,
    /// Variable with the identity token for Vault [default: that of the CI system]
    #[arg(
        id = "vault-jwt-env",
        long = "vault-jwt-env",
        value_name = "NAME",
        conflicts_with = "vault-jwt-file"
    )]
    pub jwt_variable: Option<String>,
    /// Allow http:// to a Vault on another machine, which exposes the token
    #[arg(id = "vault-plain-http", long = "vault-plain-http")]
    pub plain_http: bool,
}

impl Options {
    /// Whether an option asks for a login.
    pub(crate) fn logs_in(&self) -> bool {
        let texts = [
            &self.role,
            &self.mount,
            &self.audience,
            &self.jwt_file,
            &self.jwt_variable,
        ];
        self.method.is_some() || texts.into_iter().any(Option::is_some)
    }

    /// An option that has no effect with this method.
    pub(crate) fn unused_by(&self, method: Method) -> Option<OptionName<'static>> {
        let options: &[(&str, &Option<String>)] = match method {
            Method::AppRole => &[
                ("vault-role", &self.role),
                ("vault-audience", &self.audience),
                ("vault-jwt-file", &self.jwt_file),
                ("vault-jwt-env", &self.jwt_variable),
            ],
            Method::Kubernetes | Method::Jwt => &[],
        };
        let given = options.iter().find(|(_, given)| given.is_some());
        given.map(|(name, _)| option(name))
    }

    /// The first option that is set.
    pub fn first_set(&self) -> Option<OptionName<'static>> {
        let options = [
            ("vault-address", self.address.is_some()),
            ("vault-namespace", self.namespace.is_some()),
            ("vault-auth", self.method.is_some()),
            ("vault-role", self.role.is_some()),
            ("vault-auth-mount", self.mount.is_some()),
            ("vault-audience", self.audience.is_some()),
            ("vault-jwt-file", self.jwt_file.is_some()),
            ("vault-jwt-env", self.jwt_variable.is_some()),
            ("vault-plain-http", self.plain_http),
        ];
        options
            .into_iter()
            .find(|(_, given)| *given)
            .map(|(name, _)| option(name))
    }
}

/// Why Vault cannot be used as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is no URL of a server.
    #[error("{variable} is not the URL of a server")]
    Address {
        /// The variable or flag.
        variable: String,
    },
    /// The certificates that GitHub's endpoint is asked with cannot be used.
    #[error(transparent)]
    Bundle(#[from] ca_bundle::Error),
    /// The reference and the variable name different servers.
    #[error("the key is at `{named}`, and {variable} names `{other}`")]
    Contradiction {
        /// Which of the two programs the reference means.
        product: Product,
        /// The server of the reference.
        named: Authority,
        /// The variable or flag.
        variable: String,
        /// The server of the variable.
        other: Address,
    },
    /// There is no identity token to log in with.
    #[error("no login to {server}")]
    Identity {
        /// The server.
        server: Server,
        /// The reason.
        source: token_source::Error,
        /// Whether there is what AppRole takes.
        approle: bool,
    },
    /// The address of a socket names no server that an identity token could be for.
    #[error("the login to {server} needs an audience, which a socket does not name")]
    NoAudience {
        /// The server.
        server: Server,
    },
    /// No address is configured.
    #[error("no address of {product} is set")]
    NoAddress {
        /// Which one.
        product: Product,
    },
    /// AppRole takes two.
    #[error("the login by AppRole needs {missing}, which is not set")]
    NoAppRole {
        /// The variable.
        missing: String,
    },
    /// Kubernetes takes a role.
    #[error("the login by Kubernetes needs a role")]
    NoRole,
    /// No token, and nothing to log in with.
    #[error("there is no token for {product}, and nothing to log in with")]
    NoToken {
        /// Which one.
        product: Product,
        /// Whose variables count.
        family: Product,
    },
    /// The text cannot be a token.
    #[error("{origin} does not hold a token")]
    NotAToken {
        /// The variable or file.
        origin: TokenOrigin,
    },
    /// The file cannot hold a token.
    #[error("the file that {variable} names does not hold a token")]
    NotATokenInFile {
        /// The variable that names the file.
        variable: String,
    },
    /// The variable holds the path of a file, as a GitLab variable of the type File does.
    #[error("{variable} holds the path of a file, not the secret itself")]
    Path {
        /// The variable.
        variable: String,
        /// The variable that takes a path, if there is one.
        instead: Option<String>,
    },
    /// The token would go over the network in the clear.
    #[error("`{address}` is not guarded by TLS, and a token would be sent there in the clear")]
    PlainHttp {
        /// The address.
        address: Address,
    },
    /// A proxy's URL that cannot be used.
    #[error(transparent)]
    Proxy(#[from] proxy::Error),
    /// A proxy would be asked for the name in the certificate, and not for the server.
    #[error("{variable} cannot be used through a proxy")]
    ServerNameByProxy {
        /// The variable.
        variable: String,
    },
    /// Certificates or the client's key cannot be used.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The HTTP client cannot be made.
    #[error("no connection to {server} can be made: {reason}")]
    Transport {
        /// The server.
        server: Server,
        /// The reason.
        reason: String,
    },
    /// The token's file cannot be read.
    #[error("cannot read the token's file{}, which {variable} names: {reason}", backquoted(path.as_deref()))]
    TokenFile {
        /// The variable.
        variable: String,
        /// The file, where it can be no token.
        path: Option<String>,
        /// The reason, from the operating system.
        reason: String,
    },
    /// A flag without effect on the method.
    #[error("{option} has no effect on the login by {method}")]
    UnusedOption {
        /// The option.
        option: OptionName<'static>,
        /// The method.
        method: Method,
    },
    /// `--vault-jwt-file` holds a token, or nothing.
    #[error("{vault_jwt_file} does not name where the identity token is", vault_jwt_file = option("vault-jwt-file"))]
    NotATokenFile,
    /// `--vault-jwt-env` holds something other than a variable's name.
    #[error("{vault_jwt_env} does not name where the identity token is", vault_jwt_env = option("vault-jwt-env"))]
    NotATokenVariable,
    /// A variable that means nothing.
    #[error(transparent)]
    Variable(#[from] environment::Error),
    /// A token in place of a secret ID, as a response in a wrap leaves it.
    #[error("{variable} holds a token, and not a secret ID")]
    WrappedSecretId {
        /// The variable.
        variable: String,
        /// The product, for its command line.
        product: Product,
    },
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Address { .. }
            | Self::Contradiction { .. }
            | Self::NoAddress { .. }
            | Self::NoAudience { .. }
            | Self::PlainHttp { .. }
            | Self::ServerNameByProxy { .. }
            | Self::Tls(_)
            | Self::Transport { .. } => "configuration",
            Self::Bundle(error) => error.code(),
            Self::Identity { source, .. } => source.code(),
            Self::NoAppRole { .. }
            | Self::NoRole
            | Self::NoToken { .. }
            | Self::NotAToken { .. }
            | Self::NotATokenInFile { .. }
            | Self::Path { .. }
            | Self::TokenFile { .. }
            | Self::WrappedSecretId { .. } => "no_credentials",
            Self::NotATokenFile | Self::NotATokenVariable | Self::UnusedOption { .. } => "usage",
            Self::Proxy(error) => error.code(),
            Self::Variable(error) => error.code(),
        }
    }

    fn facts(&self) -> Vec<Fact> {
        match self {
            Self::Identity { source, .. } => source.facts(),
            _ => Vec::new(),
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Address { .. } => {
                "write scheme, host and port, as in `https://vault.example:8200`; a path, without `/v1`, only if a proxy serves Vault below one\nor name an agent's socket, as in `unix:///run/vault/agent.sock`".to_owned()
            }
            Self::Bundle(error) => error.help(),
            Self::Contradiction { variable, other, .. } if other.socket().is_some() => {
                format!("name the key by its name alone, or unset {variable}")
            }
            Self::Contradiction { product, variable, named, other } => format!(
                "name one server: unset {variable}, name the key by its name alone, or set {variable} to `{}://{named}`{}",
                if other.is_tls() { "https" } else { "http" },
                if *product == Product::OpenBao && variable == "VAULT_ADDR" { "\nname an OpenBao server with BAO_ADDR" } else { "" }
            ),
            Self::Identity { server, source, approle } => {
                let help = no_identity_token(&server.address, source);
                if *approle {
                    format!(
                        "{help}\nto log in with VAULT_ROLE_ID and VAULT_SECRET_ID, give {} and no {}",
                        option("vault-auth").with("approle"),
                        option("vault-role")
                    )
                } else {
                    help
                }
            }
            Self::NoAddress { product } => format!(
                "set {}=https://HOST:PORT, or name it in the key: `{}://HOST/v1/transit/keys/KEY`",
                Variables(*product).name("ADDR"),
                product.scheme()
            ),
            Self::NoAudience { .. } => format!(
                "name it, most often the URL of the server behind the socket: {}",
                option("vault-audience").with("https://vault.example")
            ),
            Self::NoAppRole { missing } => format!(
                "set {missing}\nor log in with the CI system's identity token: `--vault-auth jwt --vault-role ROLE`"
            ),
            Self::NoRole => format!("name it: {vault_role}", vault_role = option("vault-role").with("ROLE")),
            Self::NoToken { product, family } => {
                let named = |end| Variables(*family).name(end);
                let others = if product == family {
                    String::new()
                } else {
                    format!("\nthe variables {} are read, since they name the server", named("…"))
                };
                format!(
                    "in CI give {vault_role}, which logs in with the job's identity token\non your own machine run `{} login`\nor set {}, {}, or {} and {}{others}",
                    product.command_line(),
                    named("TOKEN"),
                    named("TOKEN_FILE"),
                    named("ROLE_ID"),
                    named("SECRET_ID"),
                    vault_role = option("vault-role").with("ROLE")
                )
            }
            Self::NotAToken { .. } | Self::NotATokenInFile { .. } => {
                "put the token itself there, one word such as `hvs.…`, and nothing else".to_owned()
            }
            Self::Path { variable, instead } => {
                let instead = instead.as_ref().map_or_else(String::new, |instead| format!("name the file by {instead}, or "));
                format!("{instead}put what the file holds into {variable}; in GitLab give that variable the type Variable, not File")
            }
            Self::PlainHttp { .. } => {
                format!("give the server an `https://` address\nif the network is protected in another way, allow it with {vault_plain_http}", vault_plain_http = option("vault-plain-http"))
            }
            Self::Proxy(error) => error.help(),
            Self::ServerNameByProxy { variable } => format!(
                "if the server is reached directly, add its host to NO_PROXY\notherwise unset {variable}, and name the server as its certificate does"
            ),
            Self::Tls(error) => error.help(),
            Self::Transport { .. } => {
                "check VAULT_CACERT, VAULT_CLIENT_CERT and VAULT_CLIENT_KEY\nin a container without certificates, install ca-certificates".to_owned()
            }
            Self::TokenFile { variable, .. } => {
                format!("let {variable} name a file that this user may read, or unset it")
            }
            Self::UnusedOption { method, .. } => match method {
                Method::AppRole => "omit it: AppRole takes VAULT_ROLE_ID and VAULT_SECRET_ID".to_owned(),
                _ => "omit it".to_owned(),
            },
            Self::NotATokenFile => {
                "give the path of the file that holds the token, not the token".to_owned()
            }
            Self::NotATokenVariable => {
                "give the name of the variable that holds the token, such as `VAULT_ID_TOKEN`, not the token".to_owned()
            }
            Self::Variable(error) => error.help(),
            Self::WrappedSecretId { variable, product } => format!(
                "if the token wraps a secret ID, unwrap it before the run, which works once: {variable}=\"$({} unwrap -field=secret_id TOKEN)\"",
                product.command_line()
            ),
        }
    }
}

/// Advice on how a job gets an identity token for this server alone.
pub(crate) fn no_identity_token(address: &Address, source: &token_source::Error) -> String {
    match source {
        token_source::Error::Missing {
            ci: Some(CiSystem::GitLab),
            ..
        } => {
            format!("add to the job:\nid_tokens:\n  VAULT_ID_TOKEN:\n    aud: {address}")
        }
        token_source::Error::Agent {
            permanent: true, ..
        } => format!(
            "run it where `buildkite-agent` is in PATH, or pass its token in: `VAULT_ID_TOKEN=\"$(buildkite-agent oidc request-token --audience {address})\"` with {vault_jwt_env}",
            vault_jwt_env = option("vault-jwt-env").with("VAULT_ID_TOKEN")
        ),
        token_source::Error::Agent { .. } => format!(
            "run the job again; `buildkite-agent oidc request-token --audience {address}` shows what the agent says"
        ),
        token_source::Error::Unreadable { path, .. } if path.starts_with("/var/run/secrets/") => {
            format!(
                "run it in a pod, or name the token's file by {vault_jwt_file}",
                vault_jwt_file = option("vault-jwt-file")
            )
        }
        other => other.help(),
    }
}
