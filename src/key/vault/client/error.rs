//! Errors of calls to Vault, with their advice.

use s3lo_core::explain::Explain;
use s3lo_core::text::clipped;

use crate::identity::jwt::Claims;
use crate::identity::token_source;
use crate::key::vault::client::address::{Address, Product, Server};
use crate::key::vault::client::method::Method;
use crate::key::vault::client::options::no_identity_token;
use crate::key::vault::client::response::ErrorResponse;
use crate::key::vault::client::token::TokenOrigin;
use crate::key::vault::client::variables::Variables;
use crate::net::retry::Retry;
use crate::net::unreachable::{TlsFailure, Unreachable};
use crate::option_name::option;
use crate::text::quoted;

/// An error of a call. No error holds a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The identity token is for another service too, and Vault could use it there.
    #[error(
        "the identity token from {source_name} is for `{audience}`, and not for `{wanted}` alone"
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
    #[error("{server} does not let this token {capability} `{path}`: {answer}")]
    Denied {
        /// The server.
        server: Server,
        /// The capability, as a policy names it: `read` or `update`.
        capability: &'static str,
        /// The path, as a policy names it.
        path: String,
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
    /// Nothing is mounted there.
    #[error("{server} has nothing mounted at `{path}`: {answer}")]
    NoMount {
        /// The server.
        server: Server,
        /// The path.
        path: String,
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
    #[error("{server} refused the login by {method} at `{mount}`{}: {answer}", of_role(role.as_deref()))]
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
    #[error("{server} failed at `{path}`: {answer}")]
    Service {
        /// The server.
        server: Server,
        /// The path.
        path: String,
        /// The response.
        answer: ErrorResponse,
    },
    /// The token is unknown, expired or revoked.
    #[error("{server} does not know the token from {origin}: {answer}")]
    Token {
        /// The server.
        server: Server,
        /// The token's origin.
        origin: TokenOrigin,
        /// The response.
        answer: ErrorResponse,
    },
    /// There was no complete response.
    #[error("cannot reach {server}: {reason}")]
    Unreachable {
        /// The server.
        server: Server,
        /// The reason.
        reason: Unreachable,
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
        format!(" as the role `{}`", role.escape_debug())
    })
}

impl Error {
    /// Whether the same call may succeed a moment later.
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Service { answer, .. } if answer.is_throttled() => Retry::Throttled,
            Self::Service { answer, .. } if answer.is_transient() => Retry::Transient,
            Self::Unreachable { .. } => Retry::Transient,
            Self::Identity { source, .. } if !source.is_permanent() => Retry::Transient,
            _ => Retry::No,
        }
    }
}

impl Explain for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Audience { .. } => "no_identity_token",
            Self::Denied { .. } => "access_denied",
            Self::Identity { source, .. } => source.code(),
            Self::NoMount { .. } => "mount_not_found",
            Self::Nonsense { .. } => "signer_answered_nonsense",
            Self::NotFound { .. } => "key_not_found",
            Self::Redirected { .. } => "redirected",
            Self::Refused { .. } => "login_refused",
            Self::Service { answer, .. } if answer.is_sealed() => "vault_sealed",
            Self::Service { answer, .. } if answer.is_throttled() => "throttled",
            Self::Service { .. } => "service_error",
            Self::Token { .. } => "credentials_refused",
            Self::Unreachable { .. } => "unreachable",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Audience { wanted, .. } => format!(
                "let the CI system make one for `{wanted}`, in GitLab by `id_tokens: {{VAULT_ID_TOKEN: {{aud: {wanted}}}}}`, or name the audience that you mean by {vault_audience}",
                vault_audience = option("vault-audience")
            ),
            Self::Denied {
                server,
                capability,
                path,
                ..
            } => denied(server.product, capability, path),
            Self::Identity { server, source } => no_identity_token(&server.address, source),
            Self::NoMount { server, path, .. } => no_mount(server.product, path),
            Self::Nonsense { server, .. } => format!(
                "nothing was stored; check the address and HTTPS_PROXY: what answers at {} is not Vault's transit engine",
                server.address
            ),
            Self::NotFound { server, path } => not_found(server.product, path),
            Self::Redirected { server, to } => redirected(server.product, to.as_deref()),
            Self::Refused {
                server,
                method,
                mount,
                role,
                claims,
                answer,
            } => {
                let role = role.as_deref();
                refused(
                    server.product,
                    *method,
                    mount,
                    role,
                    claims.as_deref(),
                    answer,
                )
            }
            Self::Service { server, answer, .. } if answer.is_sealed() => format!(
                "unseal it, or wait until somebody has: `{} operator unseal`",
                server.product.command_line()
            ),
            Self::Service { server, answer, .. } if answer.is_throttled() => format!(
                "give it longer with {timeout}, sign fewer images at once with {concurrency}, or raise the quota: `{} read sys/quotas/rate-limit/NAME`",
                server.product.command_line(),
                timeout = option("timeout"),
                concurrency = option("concurrency").with("4")
            ),
            Self::Service { server, answer, .. } if answer.is_transient() => format!(
                "it failed repeatedly; run it again later, and look at `{} status`",
                server.product.command_line()
            ),
            Self::Service { answer, .. } if answer.is_from_vault() => {
                "look at what it says, and at the server's own log".to_owned()
            }
            Self::Service { server, answer, .. }
                if answer.status == 400 && !server.address.is_tls() =>
            {
                format!(
                    "it may speak TLS alone: give it an `https://` address; what answers at {} is not Vault",
                    server.address
                )
            }
            Self::Service { server, .. } => format!(
                "check the address and HTTPS_PROXY: what answers at {} is not Vault",
                server.address
            ),
            Self::Token { server, origin, .. } => token(server.product, origin),
            Self::Unreachable { server, .. } if server.address.socket().is_some() => {
                "check that the agent runs, that its socket is there, and that this user may write to it"
                    .to_owned()
            }
            Self::Unreachable { reason, .. } => unreachable(reason.tls),
        }
    }
}

/// The policy that is missing. A mistyped name is refused in the same words.
fn denied(product: Product, capability: &str, path: &str) -> String {
    let statement = format!("`path \"{path}\" {{ capabilities = [\"{capability}\"] }}`");
    let to_sign = path
        .rsplit_once("/keys/")
        .map(|(mount, key)| format!(" (to sign it takes update on `{mount}/sign/{key}`, too)"));
    format!(
        "check mount and key, since what is not there is refused as well; then add to a policy of the token (`{} token lookup` names them): {statement}{}; if it has that, look at the namespace",
        product.command_line(),
        to_sign.unwrap_or_default()
    )
}

fn unreachable(tls: Option<TlsFailure>) -> String {
    let advice = match tls {
        Some(TlsFailure::OtherName) => "name the server as its certificate does",
        Some(TlsFailure::CaCertificate) => {
            "its certificate is that of an authority, which no server may show: give it one with `basicConstraints=CA:FALSE`"
        }
        Some(TlsFailure::InvalidCertificate | TlsFailure::UnknownIssuer) => {
            "trust the authority of its certificate: VAULT_CACERT=FILE, or VAULT_CAPATH=FOLDER"
        }
        Some(TlsFailure::ClientCertificate) => {
            "show a certificate that the server trusts: VAULT_CLIENT_CERT=FILE and VAULT_CLIENT_KEY=FILE"
        }
        Some(TlsFailure::NotTls) => {
            return format!(
                "the server speaks without TLS there: check its port, or name it by its `http://` address in VAULT_ADDR or {}",
                option("vault-address")
            );
        }
        None => "check the address, the network, HTTPS_PROXY and NO_PROXY",
    };
    advice.to_owned()
}

fn no_mount(product: Product, path: &str) -> String {
    let cli = product.command_line();
    let mount = path
        .rsplit_once("/keys/")
        .or_else(|| path.rsplit_once("/sign/"));
    let mount = mount.map_or(path, |(mount, _)| mount);
    if path.starts_with("auth/") && path.ends_with("/login") {
        return format!(
            "look where the login method is mounted, `{cli} auth list`, and name that by {vault_auth_mount}",
            vault_auth_mount = option("vault-auth-mount").with("PATH")
        );
    }
    if ["auth", "sys"].contains(&mount.split('/').next().unwrap_or_default()) {
        return format!(
            "no engine can be mounted at `{mount}`: look where it is, `{cli} secrets list`"
        );
    }
    format!(
        "look where the transit engine is mounted, `{cli} secrets list`, and name that in the key, `{}://HOST/v1/MOUNT/keys/KEY`, or by TRANSIT_SECRET_ENGINE_PATH; or mount one: `{cli} secrets enable -path={mount} transit`; in a namespace, give {vault_namespace}",
        product.scheme(),
        vault_namespace = option("vault-namespace").with("NAMESPACE")
    )
}

fn not_found(product: Product, path: &str) -> String {
    let cli = product.command_line();
    let Some((mount, _)) = path.rsplit_once("/keys/") else {
        return "check the key's name".to_owned();
    };
    format!(
        "check mount and name: `{cli} secrets list` and `{cli} list {}`; or, where `{mount}` is a transit engine, make the key: `{cli} write -f {} type=ecdsa-p256`; in a namespace, give {vault_namespace}",
        quoted(&format!("{mount}/keys")),
        quoted(path),
        vault_namespace = option("vault-namespace").with("NAMESPACE")
    )
}

/// Advice on a redirect, as of a standby that does not forward requests.
fn redirected(product: Product, to: Option<&str>) -> String {
    let to = to.unwrap_or_default();
    let origin = to.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let address = Variables(product).name("ADDR");
    match origin.parse::<Address>() {
        Ok(there) => format!("if that is your server, name it: {address}={there}"),
        Err(_) => format!("name the server itself: {address}=https://HOST:PORT"),
    }
}

fn token(product: Product, origin: &TokenOrigin) -> String {
    if *origin == TokenOrigin::Agent {
        return format!(
            "let the agent add its token, by `use_auto_auth_token = true` in its configuration; or set {}",
            Variables(product).name("TOKEN")
        );
    }
    if let TokenOrigin::Login { .. } = origin {
        return "run the job again; the token may have been revoked, or allow too few uses"
            .to_owned();
    }
    format!(
        "it is wrong, expired or revoked, or of another server or namespace; get a new one with `{} login` and put it into {origin}; in CI let the job log in by its identity token: {vault_role}",
        product.command_line(),
        vault_role = option("vault-role").with("ROLE")
    )
}

/// Advice on the role, by Vault's words.
fn refused(
    product: Product,
    method: Method,
    mount: &str,
    role: Option<&str>,
    claims: Option<&Claims>,
    answer: &ErrorResponse,
) -> String {
    let cli = product.command_line();
    let named = quoted(role.unwrap_or("ROLE"));
    // The text comes from a token, so a quote in it must not end the quotation.
    let shown = |text: &str| clipped(text).replace('`', "'");
    let said = claims.map(|claims| {
        format!(
            "the token is from `{}`, for `{}`, and its subject is `{}`; ",
            shown(&claims.issuer),
            shown(&claims.audience.to_string()),
            shown(&claims.subject)
        )
    });
    let said = said.unwrap_or_default();
    match method {
        Method::AppRole => format!(
            "check {}, which is not the role's name (`{cli} read auth/{mount}/role/ROLE/role-id`), and give a new secret ID by {} (`{cli} write -f auth/{mount}/role/ROLE/secret-id`): it may have expired, or be used up; look also whether AppRole is mounted there: `{cli} auth list`, {vault_auth_mount}",
            Variables(product).name("ROLE_ID"),
            Variables(product).name("SECRET_ID"),
            vault_auth_mount = option("vault-auth-mount").with("PATH")
        ),
        Method::Kubernetes => format!(
            "look at the role, which must name this service account and its namespace: `{cli} read auth/{mount}/role/{named}`; {said}at the method's way to Kubernetes: `{cli} read auth/{mount}/config`; and whether it is mounted there: `{cli} auth list`, {vault_auth_mount}",
            vault_auth_mount = option("vault-auth-mount").with("PATH")
        ),
        Method::Jwt if answer.says("audience") => format!(
            "{said}let the token be for one of the role's bound_audiences (`{cli} read auth/{mount}/role/{named}`): in GitLab by the `aud` of its `id_tokens`, elsewhere by {vault_audience}; or let whoever keeps the role add this one to them",
            vault_audience = option("vault-audience")
        ),
        Method::Jwt if answer.says("could not be found") => {
            format!("name a role that there is: `{cli} list auth/{mount}/role`")
        }
        Method::Jwt if answer.says("missing role") => {
            format!(
                "name the role: {vault_role}",
                vault_role = option("vault-role").with("ROLE")
            )
        }
        Method::Jwt
            if answer.says("claim") && answer.says("bound")
                || answer.says("(sub)")
                || answer.says("is missing") =>
        {
            format!(
                "{said}the role is for other jobs; look at its bound_claims and bound_subject: `{cli} read auth/{mount}/role/{named}`"
            )
        }
        Method::Jwt if answer.says("(nbf)") || answer.says("(iat)") => {
            format!("{said}set the clocks of this machine and of the server")
        }
        Method::Jwt if answer.says("expired") => {
            format!("{said}run the job again: its token is valid for some minutes")
        }
        Method::Jwt
            if answer.says("signature") || answer.says("(iss)") || answer.says("configuration") =>
        {
            format!(
                "{said}look whether the method trusts this issuer: `{cli} read auth/{mount}/config`; its oidc_discovery_url or jwks_url must be that of the issuer"
            )
        }
        Method::Jwt => format!(
            "{said}look whether a JWT login is mounted there, `{cli} auth list`, and name it by {vault_auth_mount}; and at the role: `{cli} read auth/{mount}/role/{named}`",
            vault_auth_mount = option("vault-auth-mount").with("PATH")
        ),
    }
}
