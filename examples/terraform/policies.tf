locals {
  # The subject of a token is start, the repository, the entry of the trigger, the ref and end.
  tokens = {
    github = {
      issuer      = "https://token.actions.githubusercontent.com"
      start       = "repo:"
      branch      = ":ref:refs/heads/"
      tag         = ":ref:refs/tags/"
      environment = ":environment:"
      end         = ""
    }
    gitlab = {
      issuer      = "https://gitlab.com"
      start       = "project_path:"
      branch      = ":ref_type:branch:ref:"
      tag         = ":ref_type:tag:ref:"
      environment = ":no-environment:" # stopped by a precondition
      end         = ""
    }
    buildkite = {
      issuer      = "https://agent.buildkite.com"
      start       = "organization:"
      branch      = ":ref:refs/heads/"
      tag         = ":ref:refs/tags/"
      environment = ":no-environment:" # stopped by a precondition
      end         = ":commit:*:step:*"
    }
  }
  token = local.tokens[var.ci_system]

  audience     = "sts.${data.aws_partition.current.dns_suffix}"
  provider_arn = var.provider_arn == "" ? one(aws_iam_openid_connect_provider.ci[*].arn) : var.provider_arn
  issuer       = split(":oidc-provider/", local.provider_arn)[1]

  name  = var.ci_system == "buildkite" ? replace(var.repository, "/", ":pipeline:") : var.repository
  names = compact([local.name, var.repository_other_form])
  jobs = {
    sign   = { trigger = var.sign_trigger, ref = var.sign_ref }
    verify = { trigger = var.verify_trigger, ref = var.verify_ref }
  }
  claims = {
    for role, job in local.jobs : role => {
      aud = [local.audience]
      sub = [for name in local.names : "${local.token.start}${name}${local.token[job.trigger]}${job.ref}${local.token.end}"]
    }
  }
  # A pattern is needed for tags. Buildkite's subjects end in the commit and the step.
  exact = {
    for role, job in local.jobs : role => job.trigger == "tag" || var.ci_system == "buildkite" ? ["aud"] : ["aud", "sub"]
  }
  trust = {
    for role, claims in local.claims : role => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow"
        Principal = { Federated = local.provider_arn }
        Action    = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          for operator, names in {
            StringEquals = local.exact[role]
            StringLike   = setsubtract(keys(claims), local.exact[role])
          } : operator => { for name in names : "${local.issuer}:${name}" => claims[name] } if length(names) > 0
        }
      }]
    })
  }

  bucket_arn = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket}"
  manifests  = var.image_prefix == "" ? "manifests/" : "manifests/${var.image_prefix}/"
  read = {
    Effect   = "Allow"
    Action   = ["s3:GetObject"]
    Resource = "${local.bucket_arn}/${local.manifests}*"
  }
  list = {
    Effect    = "Allow"
    Action    = ["s3:ListBucket"]
    Resource  = local.bucket_arn
    Condition = { StringLike = { "s3:prefix" = "${local.manifests}*" } }
  }

  sign_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.read,
      {
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = "${local.bucket_arn}/${local.manifests}*/signatures/*"
      },
      {
        Effect   = "Allow"
        Action   = ["kms:GetPublicKey", "kms:Sign"]
        Resource = aws_kms_key.signing.arn
      },
      local.list,
    ]
  })

  verify_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.read, local.list]
  })

  key_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # The account's IAM policies decide who administers the key. None can give kms:Sign to anyone else.
        Sid       = "Administer"
        Effect    = "Allow"
        Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root" }
        Action = [
          "kms:CancelKeyDeletion",
          "kms:CreateAlias",
          "kms:DeleteAlias",
          "kms:DescribeKey",
          "kms:DisableKey",
          "kms:EnableKey",
          "kms:GetKeyPolicy",
          "kms:GetKeyRotationStatus",
          "kms:GetPublicKey",
          "kms:ListKeyPolicies",
          "kms:ListResourceTags",
          "kms:PutKeyPolicy",
          "kms:ScheduleKeyDeletion",
          "kms:TagResource",
          "kms:UntagResource",
          "kms:UpdateAlias",
          "kms:UpdateKeyDescription",
        ]
        Resource = "*" # in a key's policy: this key
      },
      {
        Sid       = "Sign"
        Effect    = "Allow"
        Principal = { AWS = aws_iam_role.sign.arn }
        Action    = ["kms:GetPublicKey", "kms:Sign"]
        Resource  = "*"
      },
      {
        Sid       = "Verify"
        Effect    = "Allow"
        Principal = { AWS = aws_iam_role.verify.arn }
        Action    = "kms:GetPublicKey"
        Resource  = "*"
      },
    ]
  })
}
