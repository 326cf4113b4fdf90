//! The classification of the errors of calls.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::create_session::CreateSessionError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use s3lo_core::text::clipped;

use crate::aws::error::Failure;
use crate::diagnostic::SharedError;
use crate::net::error_chain::find_source;
use crate::store;
use crate::store::Store as _;
use crate::store::s3::S3Store;
use crate::store::s3::error::Error;
use crate::store::s3::remedy;

/// A session of a directory bucket that could not be made, which the SDK gives as the source of another error.
type SessionError = SdkError<CreateSessionError, HttpResponse>;

impl S3Store {
    /// The meaning of an error of a call.
    pub(super) fn failed<E>(
        &self,
        action: &'static str,
        key: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> store::Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        if error.raw_response().is_none()
            && let Some(session) = find_source::<SessionError>(error)
        {
            return self.answered("s3express:CreateSession", "", session);
        }
        self.answered(action, key, error)
    }

    fn answered<E>(
        &self,
        action: &'static str,
        key: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> store::Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let object = self.locate(key);
        let other = |error: Error| store::Error::Backend(SharedError::new(error));
        let answer = match Failure::of("S3", error) {
            Failure::Common(error) => return other(Error::Common(error)),
            Failure::Denied(answer) if is_denial(answer.code()) && !remedy::is_console(&answer) => {
                return store::Error::Denied(SharedError::new(Error::Denied {
                    action,
                    object,
                    answer,
                    endpoint_is_named: self.endpoint_is_named,
                    owner_is_named: self.owner.is_some(),
                }));
            }
            Failure::Unreachable(reason) => {
                return other(Error::Unreachable {
                    server: self.server.clone(),
                    object,
                    reason,
                });
            }
            Failure::Denied(answer) | Failure::Refused(answer) => answer,
        };
        let bucket = self.bucket.clone();
        let response = error.raw_response();
        let header = |name| response.and_then(|response| response.headers().get(name));
        let is_empty = response
            .and_then(|response| response.body().bytes())
            .is_some_and(<[u8]>::is_empty);
        match (answer.code(), answer.status) {
            ("NoSuchBucket", _) => other(Error::NoBucket { bucket, answer }),
            ("NoSuchKey" | "NotFound", _) => store::Error::NotFound { object },
            // Without a code of S3, a page of a proxy is likelier than an absent object.
            ("", Some(404)) if is_empty => store::Error::NotFound { object },
            // S3 gives a code, or names the region.
            ("", Some(301 | 302 | 303 | 307 | 308))
                if header("x-amz-bucket-region").is_none() && header("location").is_some() =>
            {
                other(Error::Redirected {
                    location: header("location").map(clipped).unwrap_or_default(),
                    answer,
                })
            }
            (
                "PermanentRedirect"
                | "TemporaryRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException",
                _,
            )
            | (_, Some(301 | 307)) => other(Error::WrongRegion {
                region: self.region_asked(),
                bucket,
                answer,
            }),
            _ => other(Error::Service {
                action,
                object,
                answer,
            }),
        }
    }
}

/// Whether a code of 401 or 403 is about permissions. Others are about accounts, quotas, or the form of a request.
fn is_denial(code: &str) -> bool {
    [
        "AccessDenied",
        "AccessDeniedException",
        "Forbidden",
        "Unauthorized",
        "UnauthorizedAccess",
    ]
    .contains(&code)
}
