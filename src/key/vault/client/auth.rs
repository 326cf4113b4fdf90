//! The choice between a token and a login, by flags and variables.

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use secrecy::SecretString;

use crate::environment::variable;
use crate::identity::ci_system::CiSystem;
use crate::identity::relying_party::RelyingParty;
use crate::identity::token_source::TokenSource;
use crate::identity::{ci_system, jwt};
use crate::key::vault::client::address::Server;
use crate::key::vault::client::login::{LoginMethod, LoginRequest};
use crate::key::vault::client::method::Method;
use crate::key::vault::client::mount::Mount;
use crate::key::vault::client::options::{Error, Options};
use crate::key::vault::client::token::{Token, TokenOrigin};
use crate::key::vault::client::variables::Variables;
use crate::mask::Mask;
use crate::net::ca_bundle;
use crate::net::http::Clients;
use crate::net::proxy::Proxies;
use crate::{bounded_file, environment, text};

/// How a run authenticates.
pub(crate) enum Auth {
    /// With a token from outside.
    Token(Token),
    /// With the token of a login.
    LogIn(Box<LoginRequest>),
}

/// Chooses in this order: a login that a flag asks for, a token, a login that the environment configures, and outside
/// CI the token of `vault login`.
pub(crate) fn choose(
    variables: Variables,
    server: &Server,
    options: &Options,
    mask: &Mask,
) -> Result<Auth, Error> {
    if !options.logs_in()
        && let Some(token) = configured_token(variables)?
    {
        return Ok(Auth::Token(token));
    }
    let role = options.role.clone();
    let role = match (role, variables.value("AUTH_ROLE")?) {
        (None, Some((_, role))) => Some(role),
        (role, _) => role,
    };
    let method = match (options.method, variables.value("AUTH_METHOD")?) {
        (Some(method), _) => Some(method),
        (None, None) => None,
        (None, Some((name, text))) => Some(Method::parse(&text).ok_or_else(|| {
            environment::Error::new(&name, text, "`jwt`, `approle` or `kubernetes`")
        })?),
    };
    let role_id = variables.value("ROLE_ID")?;
    let half = role_id.is_some() || variables.value("SECRET_ID")?.is_some();
    let method = match (method, &role) {
        (Some(method), _) => method,
        (None, Some(_)) => Method::Jwt,
        // A flag that AppRole does not use.
        (None, None) if options.unused_by(Method::AppRole).is_some() => Method::Jwt,
        (None, None) if half => Method::AppRole,
        (None, None) if options.logs_in() => Method::Jwt,
        (None, None) => return token_of_user(variables, server, options),
    };
    let (name, text) = match (options.mount.clone(), variables.value("AUTH_PATH")?) {
        (Some(mount), _) => ("--vault-auth-mount".to_owned(), mount),
        (None, Some(set)) => set,
        (None, None) => (String::new(), method.name().to_owned()),
    };
    let path = text.trim_matches('/');
    let mount = Mount::parse(path.strip_prefix("auth/").unwrap_or(path));
    let mount =
        mount.ok_or_else(|| environment::Error::new(&name, text, "the path of a login method"))?;
    if let Some(option) = options.unused_by(method) {
        return Err(Error::UnusedOption { option, method });
    }
    let method = match method {
        Method::AppRole => approle(variables, role_id)?,
        Method::Jwt => jwt(server, options, role, role_id.is_some())?,
        Method::Kubernetes => kubernetes(options, role)?,
    };
    Ok(Auth::LogIn(Box::new(LoginRequest {
        mount,
        method,
        mask: mask.clone(),
    })))
}

/// The token of VAULT_TOKEN or VAULT_TOKEN_FILE.
fn configured_token(variables: Variables) -> Result<Option<Token>, Error> {
    if let Some((name, text)) = variables.value("TOKEN")? {
        if is_path(&text) {
            return Err(Error::Path {
                variable: name,
                instead: Some(variables.name("TOKEN_FILE")),
            });
        }
        let origin = TokenOrigin::Variable(name);
        let token = Token::new(&text, origin.clone());
        return Ok(Some(token.ok_or(Error::NotAToken { origin })?));
    }
    let Some((variable, path)) = variables.value("TOKEN_FILE")? else {
        return Ok(None);
    };
    match from_file(&path) {
        Ok(token) => Ok(Some(token.ok_or(Error::NotATokenInFile { variable })?)),
        Err(reason) => Err(Error::TokenFile {
            // A token has no slash, so a path without one may be a token.
            path: path.contains('/').then_some(path),
            variable,
            reason,
        }),
    }
}

/// Whether a text is the path of a file, as GitLab hands in a variable of the type File. A token has no slash.
fn is_path(text: &str) -> bool {
    ["/", "./", "../", "~/"]
        .iter()
        .any(|start| text.starts_with(start))
}

/// Vault, whose logins take identity tokens.
const VAULT: RelyingParty = RelyingParty {
    missing: "this job has no identity token",
    variables: &[
        (CiSystem::Bitbucket, &["BITBUCKET_STEP_OIDC_TOKEN"]),
        (CiSystem::Buildkite, &["VAULT_ID_TOKEN"]),
        (
            CiSystem::CircleCi,
            &["CIRCLE_OIDC_TOKEN_V2", "CIRCLE_OIDC_TOKEN"],
        ),
        (CiSystem::GitLab, &["VAULT_ID_TOKEN"]),
    ],
    file_variable: None,
    gitlab_help: "add to the job: `id_tokens: {VAULT_ID_TOKEN: {aud: VAULT_ADDR}}`",
    options: ["vault-jwt-file", "vault-jwt-env"],
};

fn approle(variables: Variables, role_id: Option<(String, String)>) -> Result<LoginMethod, Error> {
    let secret_id = variables.value("SECRET_ID")?;
    for (name, text) in [&role_id, &secret_id].into_iter().flatten() {
        if is_path(text) {
            return Err(Error::Path {
                variable: name.clone(),
                instead: None,
            });
        }
    }
    if let Some((variable, text)) = &secret_id
        && text::is_vault_token(text)
    {
        return Err(Error::WrappedSecretId {
            variable: variable.clone(),
            product: variables.0,
        });
    }
    match (role_id, secret_id) {
        (Some((_, role_id)), Some((_, secret_id))) => Ok(LoginMethod::AppRole {
            role_id,
            secret_id: SecretString::from(secret_id),
        }),
        (None, _) => Err(Error::NoAppRole {
            missing: variables.name("ROLE_ID"),
        }),
        (Some(_), None) => Err(Error::NoAppRole {
            missing: variables.name("SECRET_ID"),
        }),
    }
}

fn jwt(
    server: &Server,
    options: &Options,
    role: Option<String>,
    approle: bool,
) -> Result<LoginMethod, Error> {
    let source = match token_source(options)? {
        Some(source) => source,
        None => {
            TokenSource::detect(CiSystem::detect(), &VAULT).map_err(|source| Error::Identity {
                server: server.clone(),
                source,
                approle,
            })?
        }
    };
    Ok(LoginMethod::Jwt {
        role,
        chosen: options.audience.is_some(),
        audience: match &options.audience {
            Some(audience) => audience.clone(),
            None if server.address.socket().is_some() => {
                return Err(Error::NoAudience {
                    server: server.clone(),
                });
            }
            None => server.address.to_string(),
        },
        source,
        http: github_client()?,
    })
}

fn kubernetes(options: &Options, role: Option<String>) -> Result<LoginMethod, Error> {
    // https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
    const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    let source = token_source(options)?;
    Ok(LoginMethod::Kubernetes {
        role: role.ok_or(Error::NoRole)?,
        audience: options.audience.clone(),
        source: source.unwrap_or_else(|| TokenSource::File(SERVICE_ACCOUNT.to_owned())),
        http: github_client()?,
    })
}

/// The source of the identity token that a flag names.
fn token_source(options: &Options) -> Result<Option<TokenSource>, Error> {
    // The value may be the token itself, so no error repeats it.
    match (&options.jwt_file, &options.jwt_variable) {
        (Some(path), _) if path.is_empty() || jwt::is_token(path) || text::is_vault_token(path) => {
            Err(Error::NotATokenFile)
        }
        (Some(path), _) => Ok(Some(TokenSource::File(path.clone()))),
        (None, Some(name)) if !environment::is_name(name) => Err(Error::NotATokenVariable),
        (None, Some(name)) => Ok(Some(TokenSource::Variable(name.clone()))),
        (None, None) => Ok(None),
    }
}

/// The token that `vault login` stored: for the configured server alone, not for any that a reference names. In a CI
/// system it would belong to the owner of the machine.
fn token_of_user(variables: Variables, server: &Server, options: &Options) -> Result<Auth, Error> {
    let product = server.product;
    let family = variables.0;
    // A Vault Agent or Proxy adds its own token to requests without one, if it is configured so.
    let none = || match server.address.socket() {
        Some(_) => Ok(Auth::Token(Token::of_agent())),
        None => Err(Error::NoToken { product, family }),
    };
    let configured = options.address.is_some() || variables.address()?.is_some();
    if ci_system::in_any() || !configured {
        return none();
    }
    let Some(home) = variable("HOME")? else {
        return none();
    };
    let path = format!("{home}/.vault-token");
    match from_file(&path) {
        Ok(Some(token)) => Ok(Auth::Token(token)),
        Ok(None) => Err(Error::NotAToken {
            origin: TokenOrigin::File(path),
        }),
        Err(_) => none(),
    }
}

/// The largest file of a token, in bytes.
const MAX_TOKEN_FILE_LEN: u64 = 1024 * 1024;

fn from_file(path: &str) -> Result<Option<Token>, String> {
    let bytes = bounded_file::read(path, MAX_TOKEN_FILE_LEN).map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    Ok(Token::new(text, TokenOrigin::File(path.to_owned())))
}

/// A client for the endpoint of GitHub's identity tokens.
fn github_client() -> Result<SharedHttpClient, Error> {
    let bundle = ca_bundle::from_environment()?;
    let clients = Clients::new(bundle, Proxies::from_environment()?, false);
    Ok(clients.guarded)
}
