//! Errors of calls to Vault, with their advice.

use s3lo_core::explain::{Explain, Fact};

use crate::identity::jwt::Claims;
use crate::identity::token_source;
use crate::key::vault::client::address::Server;
use crate::key::vault::client::advice;
use crate::key::vault::client::method::Method;
use crate::key::vault::client::options::no_identity_token;
use crate::key::vault::client::response::{Cause, ErrorResponse};
use crate::key::vault::client::token::TokenOrigin;
use crate::key::vault::client::variables::Variables;
use crate::net::retry::Retry;
use crate::net::unreachable::{Settings, Unreachable};
use crate::option_name::option;
use crate::text::{backquoted, printable};

/// An error of a call. No error holds a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The identity token is for another service too, and Vault could use it there.
    #[error(
        "the identity token from {source_name} is for `{audience}`, and must be for `{wanted}` only"
    )]
    Audience {
        /// The wanted audience.
        wanted: String,
        /// The token's source.
        source_name: String,
        /// The token's audience.
        audience: String,
    },
    /// The token's policies do not allow it.
    #[error("{server} does not let this token {capability} `{path}`")]
    Denied {
        /// The server.
        server: Server,
        /// The capability, as a policy names it: `read` or `update`.
        capability: &'static str,
        /// The path, as a policy names it.
        path: String,
        /// The token's origin; `None` for a login.
        origin: Option<TokenOrigin>,
        /// The response.
        answer: ErrorResponse,
    },
    /// There is no identity token to log in with.
    #[error("no login to {server}")]
    Identity {
        /// The server.
        server: Server,
        /// The reason.
        source: token_source::Error,
    },
    /// The namespace is locked.
    #[error("the namespace{} of {server} is locked", backquoted(namespace.as_deref()))]
    LockedNamespace {
        /// The server.
        server: Server,
        /// The namespace, if one is named.
        namespace: Option<String>,
        /// The response.
        answer: ErrorResponse,
    },
    /// The login was refused after the answer to an earlier attempt was lost, which may have used up the credential.
    #[error("{server} refused the login, after its answer to a first attempt was lost")]
    LostLogin {
        /// The server.
        server: Server,
        /// The error of the earlier attempt.
        lost: Box<Self>,
        /// The response.
        answer: ErrorResponse,
    },
    /// The login asks for a second factor.
    #[error("{server} demands a second factor for the login by {method} at `{mount}`")]
    Mfa {
        /// The server.
        server: Server,
        /// The method.
        method: Method,
        /// The mount of the method.
        mount: String,
    },
    /// Nothing is mounted there.
    #[error("{server} has nothing mounted at `{path}`")]
    NoMount {
        /// The server.
        server: Server,
        /// The path.
        path: String,
        /// The response.
        answer: ErrorResponse,
    },
    /// There is no such namespace.
    #[error("{server} has no namespace{}", backquoted(namespace.as_deref()))]
    NoNamespace {
        /// The server.
        server: Server,
        /// The namespace, if one is named.
        namespace: Option<String>,
        /// The response.
        answer: ErrorResponse,
    },
    /// The response is not one of Vault.
    #[error("{server} answered with {what}")]
    Nonsense {
        /// The server.
        server: Server,
        /// A description of it.
        what: String,
    },
    /// There is nothing at this path.
    #[error("{server} has no `{path}`")]
    NotFound {
        /// The server.
        server: Server,
        /// The path.
        path: String,
    },
    /// The login was refused.
    #[error("{server} refused the login by {method} at `{mount}`{}", of_role(role.as_deref()))]
    Refused {
        /// The server.
        server: Server,
        /// The method.
        method: Method,
        /// The mount of the method.
        mount: String,
        /// The role, if one is named.
        role: Option<String>,
        /// The claims of the identity token, if there is one.
        claims: Option<Box<Claims>>,
        /// The response.
        answer: ErrorResponse,
    },
    /// A redirect, which is not followed.
    #[error("{server} redirects to {}, and no token is sent after a redirect", target(to.as_deref()))]
    Redirected {
        /// The server.
        server: Server,
        /// The target, if the answer names one.
        to: Option<String>,
    },
    /// Any other error response.
    #[error("{server} failed at `{path}`")]
    Service {
        /// The server.
        server: Server,
        /// The path.
        path: String,
        /// The response.
        answer: ErrorResponse,
    },
    /// The token is unknown, expired or revoked.
    #[error("{server} does not accept the token from {origin}")]
    Token {
        /// The server.
        server: Server,
        /// The token's origin.
        origin: TokenOrigin,
        /// The response.
        answer: ErrorResponse,
    },
    /// There was no complete response.
    #[error("cannot connect to {server}: {reason}")]
    Unreachable {
        /// The server.
        server: Server,
        /// The reason.
        reason: Unreachable,
        /// Whether the server may have received the request.
        sent: bool,
    },
    /// The response is wrapped, and waits for an approval.
    #[error("{server} wrapped its answer at `{path}`: a control group must approve the request")]
    Wrapped {
        /// The server.
        server: Server,
        /// The path.
        path: String,
    },
}

fn target(to: Option<&str>) -> String {
    to.map_or_else(
        || "a place that it does not name".to_owned(),
        |to| format!("`{to}`"),
    )
}

fn of_role(role: Option<&str>) -> String {
    role.map_or_else(String::new, |role| {
        format!(" as the role `{}`", printable(role))
    })
}

impl Error {
    /// Whether the server may still have granted the request: its answer was lost, or a proxy gave another.
    pub(crate) fn may_be_granted(&self) -> bool {
        match self {
            Self::Service { answer, .. } => !answer.is_from_vault() && answer.status >= 500,
            Self::Unreachable { sent, .. } => *sent,
            _ => false,
        }
    }

    /// Whether the same call may succeed a moment later.
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Service { answer, .. } if answer.is_throttled() => Retry::Throttled,
            Self::Service { answer, .. } if answer.is_transient() => Retry::Transient,
            Self::Unreachable { reason, .. } if reason.is_permanent() => Retry::No,
            Self::Unreachable { .. } => Retry::Transient,
            Self::Identity { source, .. } if !source.is_permanent() => Retry::Transient,
            _ => Retry::No,
        }
    }

    /// The error response, if there was one.
    pub(crate) fn response(&self) -> Option<&ErrorResponse> {
        match self {
            Self::Denied { answer, .. }
            | Self::LockedNamespace { answer, .. }
            | Self::LostLogin { answer, .. }
            | Self::NoMount { answer, .. }
            | Self::NoNamespace { answer, .. }
            | Self::Refused { answer, .. }
            | Self::Service { answer, .. }
            | Self::Token { answer, .. } => Some(answer),
            _ => None,
        }
    }

    /// The server, and the cause that it names.
    fn cause(&self) -> Option<(&Server, Cause)> {
        match self {
            Self::Denied { server, answer, .. }
            | Self::Refused { server, answer, .. }
            | Self::Service { server, answer, .. }
            | Self::Token { server, answer, .. } => Some((server, answer.cause()?)),
            _ => None,
        }
    }

    fn claims(&self) -> Option<&Claims> {
        match self {
            Self::Refused { claims, .. } => claims.as_deref(),
            _ => None,
        }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Audience { .. } => "no_identity_token",
            Self::Denied { .. } | Self::Wrapped { .. } => "access_denied",
            Self::Identity { source, .. } => source.code(),
            Self::LockedNamespace { .. } => "namespace_locked",
            Self::NoMount { .. } => "mount_not_found",
            Self::NoNamespace { .. } => "namespace_not_found",
            Self::Nonsense { .. } => "signer_answered_nonsense",
            Self::NotFound { .. } => "key_not_found",
            Self::Redirected { .. } => "redirected",
            Self::Mfa { .. } | Self::Refused { .. } => "login_refused",
            Self::Service { answer, .. } if answer.is_sealed() => "vault_sealed",
            Self::Service { answer, .. } if answer.status == 429 => "throttled",
            Self::Service { .. } => "service_error",
            Self::Token { .. } => "credentials_refused",
            Self::LostLogin { .. } | Self::Unreachable { .. } => "unreachable",
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let mut facts: Vec<_> = self
            .response()
            .map(ErrorResponse::fact)
            .into_iter()
            .collect();
        match self {
            Self::Identity { source, .. } => facts.extend(source.facts()),
            Self::LostLogin { lost, .. } => facts.push(Fact::new("before", lost.to_string())),
            Self::Refused {
                claims: Some(claims),
                ..
            } => facts.extend(claims.facts()),
            _ => {}
        }
        facts
    }

    fn help(&self) -> String {
        if let Some((server, cause)) = self.cause() {
            return advice::on_cause(server.product, cause, self.claims());
        }
        match self {
            Self::Audience { wanted, .. } => format!(
                "have the CI system make a token for `{wanted}`, in GitLab with `id_tokens: {{VAULT_ID_TOKEN: {{aud: {wanted}}}}}`\nif the other audience is meant, name it with {vault_audience}",
                vault_audience = option("vault-audience")
            ),
            Self::Denied {
                server,
                capability,
                path,
                origin,
                ..
            } => advice::denied(server.product, capability, path, origin.as_ref()),
            Self::Identity { server, source } => no_identity_token(&server.address, source),
            Self::LockedNamespace { server, .. } => {
                advice::on_cause(server.product, Cause::NamespaceLocked, None)
            }
            Self::LostLogin { server, lost, .. } => format!(
                "if the secret ID is for one use, the first login used it up: give a new one in {}\n{}",
                Variables(server.product).name("SECRET_ID"),
                lost.help()
            ),
            Self::Mfa { server, mount, .. } => advice::mfa(server.product, mount),
            Self::NoNamespace { server, .. } => {
                advice::on_cause(server.product, Cause::NamespaceNotFound, None)
            }
            Self::NoMount { server, path, .. } => advice::no_mount(server.product, path),
            Self::Nonsense { server, .. } => format!(
                "check the address and HTTPS_PROXY: what answers at {} is not Vault's transit engine\nnothing was stored",
                server.address
            ),
            Self::NotFound { server, path } => advice::not_found(server.product, path),
            Self::Redirected { server, to } => advice::redirected(server.product, to.as_deref()),
            Self::Refused {
                server,
                method,
                mount,
                role,
                claims,
                answer,
            } => {
                let (product, role) = (server.product, role.as_deref());
                advice::refused(product, *method, mount, role, claims.as_deref(), answer)
            }
            Self::Service { server, answer, .. } if answer.is_sealed() => format!(
                "unseal it: `{} operator unseal`",
                server.product.command_line()
            ),
            Self::Service { server, answer, .. } if answer.is_throttled() => format!(
                "sign fewer images at once with {concurrency}, or give it longer with {timeout}\nor raise the quota: `{} read sys/quotas/rate-limit/NAME`",
                server.product.command_line(),
                timeout = option("timeout").with("10m"),
                concurrency = option("concurrency").with("4")
            ),
            Self::Service { server, answer, .. } if answer.is_transient() => format!(
                "run it again later, and check `{} status`: it failed each time it was asked",
                server.product.command_line()
            ),
            Self::Service { answer, .. } if answer.is_from_vault() => {
                "check the server's own log".to_owned()
            }
            Self::Service { server, answer, .. }
                if answer.status == 400 && !server.address.is_tls() =>
            {
                format!(
                    "give it an `https://` address, if it speaks TLS: what answers at {} is not Vault",
                    server.address
                )
            }
            Self::Service { server, .. } => format!(
                "check the address and HTTPS_PROXY: what answers at {} is not Vault",
                server.address
            ),
            Self::Token { server, origin, .. } => advice::token(server.product, origin),
            Self::Unreachable { server, .. } if server.address.socket().is_some() => {
                "check that the agent runs, that its socket exists, and that this user may write to it"
                    .to_owned()
            }
            Self::Unreachable { reason, .. } => {
                let address = format!("VAULT_ADDR or {}", option("vault-address"));
                let settings = Settings {
                    trust: "trust the authority of its certificate: VAULT_CACERT=FILE, or VAULT_CAPATH=FOLDER",
                    address: &address,
                    client_certificate: "show a certificate that the server trusts: VAULT_CLIENT_CERT=FILE and VAULT_CLIENT_KEY=FILE",
                };
                reason.help(&settings, || {
                    "check the address, the network, HTTPS_PROXY and NO_PROXY".to_owned()
                })
            }
            Self::Wrapped { path, .. } => format!(
                "exempt `{path}` from the control group for this token, or use another token: a job cannot wait for an approval"
            ),
        }
    }
}
