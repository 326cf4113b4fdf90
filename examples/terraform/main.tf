data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

resource "aws_iam_openid_connect_provider" "ci" {
  count = var.provider_arn == "" ? 1 : 0

  url            = var.issuer_url == "" ? local.token.issuer : var.issuer_url
  client_id_list = [local.audience]
}

resource "aws_iam_role" "sign" {
  name                 = var.sign_role_name
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary == "" ? null : var.permissions_boundary
  assume_role_policy   = local.trust["sign"]

  lifecycle {
    precondition {
      condition     = var.ci_system == "github" || !contains([var.sign_trigger, var.verify_trigger], "environment")
      error_message = "Only GitHub names an environment in its tokens; choose tag or branch for sign_trigger and verify_trigger."
    }
    precondition {
      condition     = var.ci_system == "github" || var.repository_other_form == ""
      error_message = "Only GitHub has two forms of a repository; leave repository_other_form empty."
    }
  }
}

resource "aws_iam_role" "verify" {
  name                 = var.verify_role_name
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary == "" ? null : var.permissions_boundary
  assume_role_policy   = local.trust["verify"]
}

resource "aws_kms_key" "signing" {
  description              = "Signs images of ${var.repository} in s3://${var.bucket}"
  customer_master_key_spec = "ECC_NIST_P256"
  key_usage                = "SIGN_VERIFY"
  deletion_window_in_days  = var.key_deletion_window
  policy                   = local.key_policy
}

resource "aws_kms_alias" "signing" {
  name          = "alias/${var.key_alias}"
  target_key_id = aws_kms_key.signing.key_id
}

resource "aws_iam_role_policy" "sign" {
  name   = "sign"
  role   = aws_iam_role.sign.name
  policy = local.sign_policy
}

resource "aws_iam_role_policy" "verify" {
  name   = "verify"
  role   = aws_iam_role.verify.name
  policy = local.verify_policy
}
