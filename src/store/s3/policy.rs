//! The IAM statements that a role needs for the objects of a bucket.

use crate::aws::arn::Arn;
use crate::aws::policy::Statement;
use crate::store::Objects;
use crate::store::s3::is_directory_bucket;

/// Reads and writes, and nothing else. To list is not needed to sign.
pub(super) fn statements(
    bucket: &str,
    region: &str,
    caller: Option<&Arn>,
    objects: &Objects,
) -> Vec<Statement> {
    let partition = caller.map_or("aws", |caller| caller.partition.as_str());
    // There a session gives access to the whole bucket.
    if is_directory_bucket(bucket) {
        let account = caller.map_or("*", |caller| caller.account.as_str());
        let bucket = format!("arn:{partition}:s3express:{region}:{account}:bucket/{bucket}");
        return vec![Statement::allow(&["s3express:CreateSession"], vec![bucket])];
    }
    let arns = |keys: &[String]| {
        let arn = |key| format!("arn:{partition}:s3:::{bucket}/{key}");
        keys.iter().map(arn).collect()
    };
    vec![
        Statement::allow(&["s3:GetObject"], arns(&objects.read)),
        Statement::allow(&["s3:PutObject"], arns(&objects.written)),
    ]
}
