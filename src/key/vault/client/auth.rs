//! What a run has to ask Vault with, by flags and variables: a token, or what to log in with.

use secrecy::SecretString;

use crate::environment::variable;
use crate::identity::ci_system::CiSystem;
use crate::identity::relying_party::RelyingParty;
use crate::identity::token_source::TokenSource;
use crate::identity::{ci_system, jwt};
use crate::key::vault::client::address::Server;
use crate::key::vault::client::config::{Error, Wishes};
use crate::key::vault::client::login::{Credentials, Held, Login, Method, Proof};
use crate::key::vault::client::variables::Variables;
use crate::key::vault::uri::Mount;
use crate::net::{ca_bundle, http};
use crate::{bounded_file, environment, text};

/// The token, or what to log in with: what a flag asks for, then a token that is there, then what the
/// environment offers, and last the token of somebody who logged in at this desk.
pub(crate) fn login(
    variables: Variables,
    server: &Server,
    wishes: &Wishes,
) -> Result<Login, Error> {
    let not_a_token = |place: String| Error::NotAToken { place };
    if !wishes.logs_in() {
        if let Some((name, text)) = variables.of("TOKEN")? {
            let held = Held::given(&text, &name);
            return held.map(Login::Given).ok_or_else(|| not_a_token(name));
        }
        if let Some((name, path)) = variables.of("TOKEN_FILE")? {
            return match from_file(&path) {
                Ok(held) => {
                    Ok(Login::Given(held.ok_or_else(|| {
                        not_a_token(format!("the file of {name}"))
                    })?))
                }
                Err(reason) => Err(Error::TokenFile {
                    // A token has no slash, and what has none may be a token.
                    path: path.contains('/').then_some(path),
                    variable: name,
                    reason,
                }),
            };
        }
    }
    let role = wishes.role.clone();
    let role = match (role, variables.of("AUTH_ROLE")?) {
        (None, Some((_, role))) => Some(role),
        (role, _) => role,
    };
    let method = match (wishes.method, variables.of("AUTH_METHOD")?) {
        (Some(method), _) => Some(method),
        (None, None) => None,
        (None, Some((name, text))) => Some(Method::parse(&text).ok_or_else(|| {
            environment::Error::new(&name, text, "`jwt`, `approle` or `kubernetes`")
        })?),
    };
    let role_id = variables.of("ROLE_ID")?;
    let half = role_id.is_some() || variables.of("SECRET_ID")?.is_some();
    let method = match (method, &role) {
        (Some(method), _) => method,
        (None, Some(_)) => Method::Jwt,
        // A flag that AppRole has no use for.
        (None, None) if wishes.useless(Method::AppRole).is_some() => Method::Jwt,
        (None, None) if half => Method::AppRole,
        (None, None) if wishes.logs_in() => Method::Jwt,
        (None, None) => return from_desk(variables, server, wishes),
    };
    let (name, text) = match (wishes.mount.clone(), variables.of("AUTH_PATH")?) {
        (Some(mount), _) => ("--vault-auth-mount".to_owned(), mount),
        (None, Some(set)) => set,
        (None, None) => (String::new(), method.name().to_owned()),
    };
    let path = text.trim_matches('/');
    let mount = Mount::parse(path.strip_prefix("auth/").unwrap_or(path));
    let mount =
        mount.ok_or_else(|| environment::Error::new(&name, text, "the path of a login method"))?;
    if let Some(flag) = wishes.useless(method) {
        return Err(Error::Useless { flag, method });
    }
    let proof = match method {
        Method::AppRole => approle(variables, role_id)?,
        Method::Jwt => jwt(server, wishes, role, role_id.is_some())?,
        Method::Kubernetes => kubernetes(wishes, role)?,
    };
    Ok(Login::With(Box::new(Credentials {
        mount,
        proof,
        mask: wishes.mask.clone(),
    })))
}

/// Vault, whose logins take identity tokens.
const VAULT: RelyingParty = RelyingParty {
    missing: "this job has no identity token",
    variables: &[
        (CiSystem::Bitbucket, &["BITBUCKET_STEP_OIDC_TOKEN"]),
        (
            CiSystem::CircleCi,
            &["CIRCLE_OIDC_TOKEN_V2", "CIRCLE_OIDC_TOKEN"],
        ),
        (CiSystem::GitLab, &["VAULT_ID_TOKEN"]),
    ],
    file_variable: None,
    gitlab_help: "add to the job: `id_tokens: {VAULT_ID_TOKEN: {aud: VAULT_ADDR}}`",
    options_help: "name where the token is: `--vault-jwt-file FILE` or `--vault-jwt-env NAME`",
};

fn approle(variables: Variables, role_id: Option<(String, String)>) -> Result<Proof, Error> {
    match (role_id, variables.of("SECRET_ID")?) {
        (Some((_, role_id)), Some((_, secret_id))) => Ok(Proof::AppRole {
            role_id,
            secret_id: SecretString::from(secret_id),
        }),
        (None, _) => Err(Error::NoAppRole {
            missing: variables.named("ROLE_ID"),
        }),
        (Some(_), None) => Err(Error::NoAppRole {
            missing: variables.named("SECRET_ID"),
        }),
    }
}

fn jwt(
    server: &Server,
    wishes: &Wishes,
    role: Option<String>,
    approle: bool,
) -> Result<Proof, Error> {
    let source = match token_place(wishes)? {
        Some(source) => source,
        None => {
            TokenSource::detect(CiSystem::detect(), &VAULT).map_err(|source| Error::Identity {
                server: server.clone(),
                source,
                approle,
            })?
        }
    };
    Ok(Proof::Jwt {
        role,
        chosen: wishes.audience.is_some(),
        audience: match &wishes.audience {
            Some(audience) => audience.clone(),
            None => server.address.to_string(),
        },
        source,
        http: http::client(ca_bundle::from_environment()?),
    })
}

fn kubernetes(wishes: &Wishes, role: Option<String>) -> Result<Proof, Error> {
    // https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
    const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    let source = token_place(wishes)?;
    Ok(Proof::Kubernetes {
        role: role.ok_or(Error::NoRole)?,
        audience: wishes.audience.clone(),
        source: source.unwrap_or_else(|| TokenSource::File(SERVICE_ACCOUNT.to_owned())),
        http: http::client(ca_bundle::from_environment()?),
    })
}

/// Where a flag says that the identity token is.
fn token_place(wishes: &Wishes) -> Result<Option<TokenSource>, Error> {
    // What is wrong here may be the token itself, and is not repeated.
    match (&wishes.jwt_file, &wishes.jwt_variable) {
        (Some(path), _) if path.is_empty() || jwt::is_token(path) || text::is_vault_token(path) => {
            Err(Error::TokenPlace("--vault-jwt-file"))
        }
        (Some(path), _) => Ok(Some(TokenSource::File(path.clone()))),
        (None, Some(name)) if !environment::is_name(name) => {
            Err(Error::TokenPlace("--vault-jwt-env"))
        }
        (None, Some(name)) => Ok(Some(TokenSource::Variable(name.clone()))),
        (None, None) => Ok(None),
    }
}

/// What `vault login` leaves behind: for the server that this desk is set up for, and no other that a reference
/// may name. In a CI system it would be that of whoever owns the machine.
fn from_desk(variables: Variables, server: &Server, wishes: &Wishes) -> Result<Login, Error> {
    let service = server.service;
    let family = variables.0;
    let none = Error::NoToken { service, family };
    let set_up = wishes.address.is_some() || variables.of("ADDR")?.is_some();
    if ci_system::in_any() || !set_up {
        return Err(none);
    }
    let Some(home) = variable("HOME")? else {
        return Err(none);
    };
    let path = format!("{home}/.vault-token");
    match from_file(&path) {
        Ok(Some(held)) => Ok(Login::Given(held)),
        Ok(None) => Err(Error::NotAToken {
            place: format!("`{path}`"),
        }),
        Err(_) => Err(none),
    }
}

/// The largest file of a token, in bytes.
const MAX_TOKEN_FILE_LEN: u64 = 1024 * 1024;

fn from_file(path: &str) -> Result<Option<Held>, String> {
    let bytes = bounded_file::read(path, MAX_TOKEN_FILE_LEN).map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    Ok(Held::given(text, &format!("`{path}`")))
}
