output "key" {
  description = "Input key of the action"
  value       = "awskms:///${aws_kms_alias.signing.name}"
}

output "sign_role_to_assume" {
  description = "Input role-to-assume of the action"
  value       = aws_iam_role.sign.arn
}

output "verify_role_to_assume" {
  description = "Input role-to-assume of the action verify"
  value       = aws_iam_role.verify.arn
}

output "region" {
  description = "Input region of both actions"
  value       = split(":", aws_kms_key.signing.arn)[3]
}

output "allowed_account" {
  description = "Input allowed-account of both actions"
  value       = data.aws_caller_identity.current.account_id
}

output "reference_prefix" {
  description = "Beginning of the input reference of both actions"
  value       = "s3://${var.bucket}/${var.image_prefix}"
}
