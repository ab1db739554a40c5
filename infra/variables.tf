variable "runbooks" {
  description = <<-TEXT
    The runbooks to deploy: `major-upgrade`, `rehearse-upgrade`, `upgrade-fleet`, `daily-sync`,
    `snapshot-export`, or some of them.
  TEXT
  type        = set(string)

  validation {
    condition     = length(var.runbooks) > 0
    error_message = "runbooks: name at least one of ${join(", ", local.known_runbooks)}."
  }
  validation {
    condition = length(setsubtract(var.runbooks, local.known_runbooks)) == 0
    error_message = join(" ", [
      "runbooks: ${join(", ", setsubtract(var.runbooks, local.known_runbooks))} is no runbook;",
      "there are ${join(", ", local.known_runbooks)}.",
    ])
  }
  validation {
    condition     = contains(var.runbooks, "major-upgrade") || !contains(var.runbooks, "rehearse-upgrade")
    error_message = "runbooks: rehearse-upgrade runs major-upgrade on a clone, so name both."
  }
  validation {
    condition = alltrue([
      for runbook in ["major-upgrade", "rehearse-upgrade"] :
      contains(var.runbooks, runbook) || !contains(var.runbooks, "upgrade-fleet")
    ])
    error_message = "runbooks: upgrade-fleet starts major-upgrade and rehearse-upgrade, so name all three."
  }
}

variable "name" {
  description = "What the name of everything begins with. Two installations in one account need two names."
  type        = string
  default     = "aurora-runbooks"

  validation {
    # The longest function is <name>-prepare-parameter-groups, and Lambda takes 64 characters.
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name: ${jsonencode(var.name)} is not 3 to 32 of a-z, 0-9 and hyphens, a letter first."
  }
}

variable "package" {
  description = <<-TEXT
    The zip of the functions: a local `file`, or the `url` of a release's asset with the `sha256`
    that its SHA256SUMS gives. A URL is fetched with curl when Terraform applies.
  TEXT
  type = object({
    file   = optional(string)
    url    = optional(string)
    sha256 = optional(string)
  })

  validation {
    condition     = (var.package.file == null) != (var.package.url == null)
    error_message = "package: give either file or url."
  }
  validation {
    condition     = var.package.file == null ? true : fileexists(var.package.file)
    error_message = "package: there is no file ${coalesce(var.package.file, "-")}."
  }
  validation {
    condition = var.package.url == null || alltrue([
      can(regex("^https?://", var.package.url)), can(regex("^[0-9a-f]{64}$", var.package.sha256)),
    ])
    error_message = "package: a url begins with https:// and needs sha256, 64 digits of SHA256SUMS."
  }
}

variable "architecture" {
  description = "What the zip and the image are built for: `arm64` or `x86_64`."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture: ${jsonencode(var.architecture)} is neither arm64 nor x86_64."
  }
}

variable "image_tag" {
  description = <<-TEXT
    The tag of the workers' image in the repository that this module makes, such as `v0.1.0`. Tags
    are immutable there.
  TEXT
  type        = string

  validation {
    condition = (
      can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    )
    error_message = join(" ", [
      "image_tag: ${jsonencode(var.image_tag)} is no tag of a version;",
      "latest says nothing and cannot be pushed twice.",
    ])
  }
}

variable "vpc_id" {
  description = "The VPC of the clusters, in which the workers run."
  type        = string

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id: ${jsonencode(var.vpc_id)} is no VPC such as vpc-0123456789abcdef0."
  }
}

variable "worker_subnet_ids" {
  description = <<-TEXT
    Private subnets of that VPC for the workers, in two zones with rehearse-upgrade. They reach AWS
    through a NAT gateway or, with `vpc_endpoints`, through endpoints.
  TEXT
  type        = list(string)

  validation {
    condition     = length(var.worker_subnet_ids) > 0
    error_message = "worker_subnet_ids: name at least one subnet."
  }
}

variable "vpc_endpoints" {
  description = <<-TEXT
    Whether to make the VPC endpoints that workers need who have no way to the internet. Each costs
    by the hour and by zone. All that is in the VPC then reaches these services through them.
  TEXT
  type        = bool
  default     = false
}

variable "database_ports" {
  description = "The ports that clusters listen on: what workers may reach."
  type        = set(number)
  default     = [5432]

  validation {
    condition = length(var.database_ports) > 0 && alltrue([
      for port in var.database_ports : port >= 1150 && port <= 65535
    ])
    error_message = "database_ports: Aurora listens on a port from 1150 to 65535."
  }
}

variable "database_cidrs" {
  description = <<-TEXT
    The addresses that clusters have: where workers may reach these ports. The VPC's first block
    when empty.
  TEXT
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.database_cidrs : can(cidrnetmask(cidr))])
    error_message = "database_cidrs: give IPv4 blocks such as 10.0.0.0/16."
  }
}

variable "worker_size" {
  description = "CPU units and MiB of memory of each worker, in one of the pairs that Fargate knows. A sync masks and attests with two sessions for each processor."
  type = object({
    cpu    = optional(number, 1024)
    memory = optional(number, 2048)
  })
  default  = {}
  nullable = false

  validation {
    condition = contains(lookup({
      256  = [512, 1024, 2048]
      512  = range(1024, 4097, 1024)
      1024 = range(2048, 8193, 1024)
      2048 = range(4096, 16385, 1024)
      4096 = range(8192, 30721, 1024)
    }, var.worker_size.cpu, []), var.worker_size.memory)
    error_message = join(" ", [
      "worker_size: Fargate has no task of",
      "${var.worker_size.cpu} CPU units and ${var.worker_size.memory} MiB",
      "(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html).",
    ])
  }
}

variable "function_memory" {
  description = "MiB of memory of each function."
  type        = number
  default     = 256

  validation {
    condition     = var.function_memory >= 128 && var.function_memory <= 10240
    error_message = "function_memory: Lambda takes 128 to 10240 MiB."
  }
}

variable "function_timeout" {
  description = "Seconds that one look of a function may take."
  type        = number
  default     = 60

  validation {
    condition     = var.function_timeout >= 30 && var.function_timeout <= 900
    error_message = "function_timeout: a look takes seconds; give 30 to 900."
  }
}

variable "policy_file" {
  description = <<-TEXT
    Path of the policy file (docs/policy.md). daily-sync needs it; the schedules, the accounts and
    the names of the targets are read from it. Check it with `policy check` first.
  TEXT
  type        = string
  default     = null

  validation {
    condition     = var.policy_file != null || !contains(var.runbooks, "daily-sync")
    error_message = "policy_file: daily-sync needs a policy file."
  }
  validation {
    condition     = var.policy_file == null ? true : fileexists(var.policy_file)
    error_message = "policy_file: there is no file ${coalesce(var.policy_file, "-")}."
  }
}

variable "target_names" {
  description = <<-TEXT
    For daily-sync with more targets than IAM has room for, some 25: what the names of all targets
    have in common, such as `*-dev`. The roles may then rename, restore and delete what is called so
    and not only what the policy file names.
  TEXT
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.target_names : can(regex("^[a-z*?][a-z0-9*?-]*[a-z0-9][a-z0-9*?-]*$", name))])
    error_message = "target_names: give names in small letters, digits and hyphens, with * and ? for the rest."
  }
}

variable "copy_key_arns" {
  description = <<-TEXT
    For daily-sync: the keys in production's account that encrypt our copies of its snapshots, as
    modules/production-account answers them. For exports with source.account: the keys of the shared
    snapshots.
  TEXT
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.copy_key_arns) > 0 || !contains(var.runbooks, "daily-sync")
    error_message = "copy_key_arns: daily-sync needs the key of its copies."
  }
  validation {
    condition     = alltrue([for arn in var.copy_key_arns : can(regex(local.key_arn, arn))])
    error_message = "copy_key_arns: ${local.no_key_arn}"
  }
}

variable "cluster_key_arns" {
  description = <<-TEXT
    The keys in this account that encrypt quarantines and targets, clusters that are rehearsed, and,
    for exports with verify: restore, the exported snapshots.
  TEXT
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.cluster_key_arns) > 0 || !contains(var.runbooks, "daily-sync")
    error_message = "cluster_key_arns: daily-sync needs the keys of the quarantine and the targets."
  }
  validation {
    condition     = alltrue([for arn in var.cluster_key_arns : can(regex(local.key_arn, arn))])
    error_message = "cluster_key_arns: ${local.no_key_arn}"
  }
}

variable "export_key_arns" {
  description = "For snapshot-export: the keys in this account that encrypt the exported files."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.export_key_arns) > 0 || !contains(var.runbooks, "snapshot-export")
    error_message = "export_key_arns: snapshot-export needs the keys of the exported files."
  }
  validation {
    condition     = alltrue([for arn in var.export_key_arns : can(regex(local.key_arn, arn))])
    error_message = "export_key_arns: ${local.no_key_arn}"
  }
}

variable "secret_key_arns" {
  description = <<-TEXT
    Customers' keys of the secrets that hold the logins and the masking key. Empty when
    aws/secretsmanager encrypts them.
  TEXT
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.secret_key_arns : can(regex(local.key_arn, arn))])
    error_message = "secret_key_arns: ${local.no_key_arn}"
  }
}

variable "schedules_enabled" {
  description = <<-TEXT
    Whether the schedules of the policy file start runs. Off until the first sync has been started
    by hand.
  TEXT
  type        = bool
  default     = true
}

variable "run_bucket" {
  description = "Name of the run bucket. `<name>-<account>-<region>` when null."
  type        = string
  default     = null

  validation {
    condition     = var.run_bucket == null || can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.run_bucket))
    error_message = "run_bucket: a bucket's name is 3 to 63 lower-case letters, digits and hyphens."
  }
}

variable "run_bucket_force_destroy" {
  description = "Whether `terraform destroy` deletes the run bucket with all reports and attestations in it."
  type        = bool
  default     = false
}

variable "runs_expire_after_days" {
  description = <<-TEXT
    Days after which the keyed fingerprints expire that a sync leaves under
    `runs/<execution>/databases/`. Reports, attestations and all else stay.
  TEXT
  type        = number
  default     = 400

  validation {
    condition     = var.runs_expire_after_days >= 2
    error_message = "runs_expire_after_days: a run reads its own objects; give 2 days or more."
  }
}

variable "log_retention_days" {
  description = "Days that log groups keep."
  type        = number
  default     = 400

  validation {
    condition = contains([
      1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731,
      1096, 1827, 2192, 2557, 2922, 3288, 3653,
    ], var.log_retention_days)
    error_message = "log_retention_days: ${var.log_retention_days} is none that PutRetentionPolicy takes."
  }
}

variable "alarm_topic_arns" {
  description = "SNS topics that alarms go to. Without one they show in the console only."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.alarm_topic_arns : can(regex("^arn:[a-z-]+:sns:", arn))])
    error_message = "alarm_topic_arns: give ARNs of SNS topics."
  }
}

variable "require_approval" {
  description = <<-TEXT
    Whether a person is asked before every upgrade, also where its input does not say `approval`.
  TEXT
  type        = bool
  default     = false
}

variable "hours_without_sync" {
  description = <<-TEXT
    After how many hours without a successful sync there is an alarm. Longer than the longest gap of
    the schedules: 80 bridges a weekend.
  TEXT
  type        = number
  default     = 80

  validation {
    # An alarm looks back over seven days at most (PutMetricAlarm, EvaluationPeriods).
    condition     = var.hours_without_sync >= 1 && var.hours_without_sync <= 168
    error_message = "hours_without_sync: an alarm of CloudWatch looks back over 1 to 168 hours."
  }
}

variable "hours_of_raw_copy" {
  description = <<-TEXT
    For how many hours a raw copy of production may stand; after that there is an alarm. Longer than the
    longest run of a sync or a verified export.
  TEXT
  type        = number
  default     = 12

  validation {
    condition     = var.hours_of_raw_copy >= 1 && var.hours_of_raw_copy <= 168
    error_message = "hours_of_raw_copy: give 1 to 168 hours."
  }
}

variable "prices" {
  description = <<-TEXT
    By which the reports say what a run itself cost: of one `state_transition` of Step Functions, of
    a `worker_hour` on Fargate and a `quarantine_hour` of the quarantine's instance, in `currency`.
    What has no price is left out.
  TEXT
  type = object({
    currency         = optional(string, "USD")
    state_transition = optional(number)
    worker_hour      = optional(number)
    quarantine_hour  = optional(number)
  })
  default = {}

  validation {
    condition = alltrue([
      for price in values(var.prices) :
      price == null || price == var.prices.currency || try(tonumber(price) >= 0, false)
    ])
    error_message = "prices: a price is a number, and not below 0."
  }
}

variable "slack_webhook_url" {
  description = <<-TEXT
    An incoming webhook of a Slack app (`https://hooks.slack.com/services/…`): its channel hears
    what becomes of every run. Terraform's state and the API destination hold it: encrypt the one,
    and let few describe the other.
  TEXT
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition = (
      var.slack_webhook_url == null ||
      can(regex("^https://hooks\\.slack(-gov)?\\.com/", var.slack_webhook_url))
    )
    error_message = "slack_webhook_url: a webhook of Slack begins with https://hooks.slack.com/."
  }
}

variable "datadog_api_key" {
  description = <<-TEXT
    An API key of Datadog: every event of ours is a log entry there. EventBridge keeps it in the
    connection's secret, Terraform in its state: encrypt that.
  TEXT
  type        = string
  default     = null
  sensitive   = true
}

variable "datadog_site" {
  description = "The site of Datadog, such as `datadoghq.eu`."
  type        = string
  default     = "datadoghq.com"
}

variable "sentry_dsn" {
  description = <<-TEXT
    The DSN of a project in Sentry: failures are events there, and scheduled syncs check in. Off
    when null.
  TEXT
  type        = string
  default     = null

  validation {
    condition     = var.sentry_dsn == null || can(regex("^https://[^@]+@[^/]+/[0-9]+$", var.sentry_dsn))
    error_message = "sentry_dsn: a DSN is https://<key>@<host>/<project>."
  }
}

variable "sentry_environment" {
  description = "What Sentry calls this installation."
  type        = string
  default     = "production"
}

variable "production_event_accounts" {
  description = "Accounts that may send events of RDS to our bus, as modules/production-account does."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([
      for account in var.production_event_accounts : can(regex("^[0-9]{12}$", account))
    ])
    error_message = "production_event_accounts: an account is 12 digits."
  }
}

variable "organization_id" {
  description = <<-TEXT
    The AWS Organization (`o-…`). With it, policies that let another account in ask that it belongs
    to it (`aws:PrincipalOrgID`).
  TEXT
  type        = string
  default     = null

  validation {
    condition     = var.organization_id == null || can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "organization_id: ${jsonencode(var.organization_id)} is not such as o-a1b2c3d4e5."
  }
}

variable "permissions_boundary_arn" {
  description = "A permissions boundary for every role."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}
