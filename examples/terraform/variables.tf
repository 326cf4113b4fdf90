variable "ci_system" {
  description = "CI system whose jobs assume the roles"
  type        = string
  default     = "github"
  nullable    = false

  validation {
    condition     = contains(["github", "gitlab", "buildkite"], var.ci_system)
    error_message = "ci_system is one of github, gitlab, buildkite."
  }
}

variable "issuer_url" {
  description = "Issuer of the identity tokens, for a server of your own; by default that of github.com, gitlab.com or Buildkite"
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^https://[A-Za-z0-9.:/_-]*[A-Za-z0-9_-]$", var.issuer_url))
    error_message = "The issuer is an https:// URL without a final slash."
  }
}

variable "provider_arn" {
  description = "ARN of the account's OIDC provider for this issuer, if there is one already; an account can have one for each URL"
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/[A-Za-z0-9.:/_-]+$", var.provider_arn))
    error_message = "The ARN of an OIDC provider is arn:aws:iam::ACCOUNT:oidc-provider/HOST."
  }
}

variable "repository" {
  description = "Repository as the token names it, OWNER/NAME or OWNER@ID/NAME@ID on GitHub, GROUP/PROJECT on GitLab, ORGANIZATION/PIPELINE on Buildkite"
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.@-]+(/[A-Za-z0-9_.@-]+)+$", var.repository))
    error_message = "The repository is OWNER/NAME, without a wildcard."
  }
}

variable "repository_other_form" {
  description = "The same repository in GitHub's other form, while tokens may carry either"
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^[A-Za-z0-9_.@-]+/[A-Za-z0-9_.@-]+$", var.repository_other_form))
    error_message = "The other form is OWNER@ID/NAME@ID, or OWNER/NAME, without a wildcard."
  }
}

variable "sign_trigger" {
  description = "Trigger of the jobs that may sign; environment is for GitHub alone"
  type        = string
  default     = "tag"
  nullable    = false

  validation {
    condition     = contains(["tag", "branch", "environment"], var.sign_trigger)
    error_message = "sign_trigger is one of tag, branch, environment."
  }
}

variable "sign_ref" {
  description = "Name of the tag, branch or environment; a final * is a wildcard in a tag, and on Buildkite in a branch"
  type        = string
  default     = "v*"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_./+ -]+\\*?$", var.sign_ref))
    error_message = "The ref is the name of a tag, branch or environment; a wildcard can only be its last character."
  }
}

variable "verify_trigger" {
  description = "Trigger of the jobs that may verify, usually those that deploy"
  type        = string
  default     = "environment"
  nullable    = false

  validation {
    condition     = contains(["tag", "branch", "environment"], var.verify_trigger)
    error_message = "verify_trigger is one of tag, branch, environment."
  }
}

variable "verify_ref" {
  description = "Name of the tag, branch or environment; a final * is a wildcard in a tag, and on Buildkite in a branch"
  type        = string
  default     = "production"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_./+ -]+\\*?$", var.verify_ref))
    error_message = "The ref is the name of a tag, branch or environment; a wildcard can only be its last character."
  }
}

variable "bucket" {
  description = "Name of the bucket that holds the images"
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "The bucket is named without s3:// and without a wildcard."
  }
}

variable "image_prefix" {
  description = "Image, or folder of images, that the roles are limited to; by default all images of the bucket"
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$", var.image_prefix))
    error_message = "The prefix is NAME or NAME/NAME, without a final slash and without a wildcard."
  }
}

variable "key_alias" {
  description = "Alias of the key, without alias/"
  type        = string
  default     = "release-signer"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9/_-]+$", var.key_alias))
    error_message = "The alias is named without a wildcard."
  }
}

variable "key_deletion_window" {
  description = "Days for which a removed key can be restored"
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.key_deletion_window >= 7 && var.key_deletion_window <= 30
    error_message = "key_deletion_window is between 7 and 30."
  }
}

variable "sign_role_name" {
  description = "Name of the role that signs"
  type        = string
  default     = "signer"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@-]{1,64}$", var.sign_role_name))
    error_message = "The name of a role has 1 to 64 letters, digits and characters of _+=,.@-."
  }
}

variable "verify_role_name" {
  description = "Name of the role that verifies"
  type        = string
  default     = "gate"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@-]{1,64}$", var.verify_role_name))
    error_message = "The name of a role has 1 to 64 letters, digits and characters of _+=,.@-."
  }
}

variable "role_path" {
  description = "Path of both roles"
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([A-Za-z0-9_+=,.@-]+/)*$", var.role_path))
    error_message = "A path begins and ends with a slash."
  }
}

variable "permissions_boundary" {
  description = "ARN of a policy that limits both roles"
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9_+=,.@/-]+$", var.permissions_boundary))
    error_message = "The boundary is the ARN of a policy."
  }
}
