variable "name" {
  description = "The `name` of the installation that comes here."
  type        = string
  default     = "aurora-runbooks"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name: ${jsonencode(var.name)} is not 3 to 32 of a-z, 0-9 and hyphens, a letter first."
  }
}

variable "home_account" {
  description = "The account in which the runbooks run."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.home_account))
    error_message = "home_account: an account is 12 digits."
  }
}

variable "external_id" {
  description = <<-TEXT
    What whoever comes here has to name, beside being one of our roles: `source.external-id` of the
    policy file.
  TEXT
  type        = string
  default     = "aurora-runbooks"

  validation {
    # A pattern repeats up to 1000 times.
    condition = (
      can(regex("^[A-Za-z0-9_+=,.@:/-]+$", var.external_id)) &&
      length(var.external_id) >= 2 && length(var.external_id) <= 1224
    )
    error_message = "external_id: 2 to 1224 letters, digits and characters of _+=,.@:/- (AssumeRole)."
  }
}

variable "cluster_key_arns" {
  description = <<-TEXT
    The keys that encrypt production's clusters, whose snapshots are copied. Their key policies must
    leave the decision to IAM.
  TEXT
  type        = list(string)

  validation {
    condition = alltrue([
      for arn in var.cluster_key_arns :
      can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", arn))
    ])
    error_message = join(" ", [
      "cluster_key_arns: IAM wants ARNs of keys,",
      "arn:aws:kms:<region>:<account>:key/<id>, not aliases.",
    ])
  }
}

variable "event_bus" {
  description = <<-TEXT
    Our bus in the account of the runbooks, to which RDS's events of cluster snapshots are
    forwarded. None are when null.
  TEXT
  type        = object({ arn = string })
  default     = null
}

variable "organization_id" {
  description = <<-TEXT
    The AWS Organization (`o-…`) that whoever comes here has to belong to, beside being one of our
    roles.
  TEXT
  type        = string
  default     = null

  validation {
    condition     = var.organization_id == null || can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "organization_id: ${jsonencode(var.organization_id)} is not such as o-a1b2c3d4e5."
  }
}

variable "permissions_boundary_arn" {
  description = "A permissions boundary for the roles."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}
