//! Advice for what S3 and its kin answer by code, where neither a permission nor the network is at fault.

use crate::aws::response::ErrorResponse;
use crate::option_name::option;

/// The advice for an error response, if its code or words have any.
pub(super) fn of(action: &str, answer: &ErrorResponse) -> Option<String> {
    Some(match answer.code() {
        // In place of a name within the path, which AWS_ENDPOINT_URL_S3 leaves to the SDK.
        "SecondLevelDomainForbidden" | "VirtualHostDomainRequired" => format!(
            "this server wants the bucket in the host's name: set AWS_ENDPOINT_URL_S3 to its URL in place of {}",
            option("endpoint")
        ),
        code if code.contains("Quota") || code == "XMinioStorageFull" || code == "InsufficientStorage" => {
            "the quota of the bucket or its owner is used up: raise it, or delete what is not needed; no permission is missing".to_owned()
        }
        "AccountProblem" | "AccountSuspended" | "NotSignedUp" | "UserSuspended" | "UserDisable" | "AllAccessDisabled" | "InvalidPayer" => {
            "something is wrong with the account that the bucket or the access key belongs to: see its console or its billing; no permission is missing".to_owned()
        }
        "InvalidObjectState" => {
            "the object is archived: restore it, and keep `manifests/` out of the rules that archive".to_owned()
        }
        "NotImplemented" if action == "s3:PutObject" => {
            "the server does not know a header of the request; without server-side encryption and checksums the request is the plainest there is, so ask whoever runs the server".to_owned()
        }
        "InvalidRequest" if answer.says("Object Lock") => format!(
            "the bucket has a default retention, for which a write needs a checksum that the server knows: set AWS_REQUEST_CHECKSUM_CALCULATION=when_supported, or unset it if it says when_required; name no {}",
            option("endpoint")
        ),
        code if code.starts_with("KMS.") => {
            "the bucket is encrypted by a KMS key that cannot be used now: see whether it is enabled, and in the bucket's region".to_owned()
        }
        "MethodNotAllowed" if answer.status == Some(405) => {
            "the object's current version is a delete marker, or what answers there is no S3 server".to_owned()
        }
        _ if is_console(answer) => format!(
            "that is the port of the server's console: name the port of its API in {}, such as 9000",
            option("endpoint")
        ),
        code if answer.status == Some(404) && code != "NoSuchUpload" => {
            "a 404 without S3's code `NoSuchKey` may come from a proxy, so that it proves nothing, and no list tells either: let the server answer itself, or allow s3:ListBucket".to_owned()
        }
        _ => return None,
    })
}

/// MinIO's console names itself: 403 in older releases, 400 today
/// ([object-browser#2637](https://github.com/minio/object-browser/issues/2637)).
pub(super) fn is_console(answer: &ErrorResponse) -> bool {
    let message = answer.message.as_deref().unwrap_or_default().to_lowercase();
    message.contains("console port") || message.contains("api port")
}
