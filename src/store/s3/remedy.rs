//! Advice for what S3 and its kin answer by code, where neither a permission nor the network is at fault.

use crate::aws::response::ErrorResponse;
use crate::option_name::option;

/// The advice for an error response, if its code or words have any.
pub(super) fn of(action: &str, answer: &ErrorResponse) -> Option<String> {
    Some(match answer.code() {
        // In place of a name within the path, which AWS_ENDPOINT_URL_S3 leaves to the SDK.
        "SecondLevelDomainForbidden" | "VirtualHostDomainRequired" => format!(
            "set AWS_ENDPOINT_URL_S3 to the URL of the server in place of {}: this one expects the bucket in the host name",
            option("endpoint")
        ),
        code if code.contains("Quota") || code == "XMinioStorageFull" || code == "InsufficientStorage" => {
            "raise the quota of the bucket or its owner, or delete what is not needed; no permission is missing".to_owned()
        }
        "AccountProblem" | "AccountSuspended" | "NotSignedUp" | "UserSuspended" | "UserDisable" | "AllAccessDisabled" | "InvalidPayer" => {
            "check the account of the bucket or the access key, in its console or its billing; no permission is missing".to_owned()
        }
        "InvalidObjectState" => {
            "restore the object, which is archived, and exclude `manifests/` from the rules that archive".to_owned()
        }
        "NotImplemented" if action == "s3:PutObject" => {
            "remove the options for server-side encryption and checksums; if there are none, contact the operator of the server, which does not know a header of the request".to_owned()
        }
        "InvalidRequest" if answer.says("Object Lock") => format!(
            "set AWS_REQUEST_CHECKSUM_CALCULATION=when_supported, or unset it, and name no {}: the bucket has a default retention, for which a write needs a checksum",
            option("endpoint")
        ),
        code if code.starts_with("KMS.") => {
            "check that the KMS key that encrypts the bucket is enabled, and in the bucket's region".to_owned()
        }
        "MethodNotAllowed" if answer.status == Some(405) => {
            "check the object's current version, which may be a delete marker, and that an S3 server answers there".to_owned()
        }
        "InvalidBucketName" => "check the bucket's name: it may contain only lower-case letters, digits, dots and dashes".to_owned(),
        _ if is_console(answer) => format!(
            "name the port of the server's API in {}, such as 9000: this one is the port of its console",
            option("endpoint")
        ),
        code if answer.status == Some(404) && code != "NoSuchUpload" => {
            "check the proxy on the way, or allow s3:ListBucket: a 404 without S3's code `NoSuchKey` does not prove that the object is missing".to_owned()
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
