# What is deployed, read from the same files as the sandbox and the tests: a runbook is
# iam/roles/<runbook>.json and statemachines/<runbook>/. A role that trusts Lambda is a function,
# one that trusts ECS a worker, one that trusts Step Functions a state machine.

data "aws_caller_identity" "this" {}
data "aws_region" "this" {}
data "aws_partition" "this" {
  lifecycle {
    # iam/ names its resources and AWS's services by it.
    postcondition {
      condition     = self.partition == "aws"
      error_message = "The partition ${self.partition} is not supported: only aws is, not GovCloud or China."
    }
  }
}

locals {
  account = data.aws_caller_identity.this.account_id
  # `region` since version 6 of the provider, which deprecates `id`; version 5 has `id` alone
  # (https://registry.terraform.io/providers/hashicorp/aws/latest/docs/guides/version-6-upgrade).
  region    = lookup(data.aws_region.this, "region", lookup(data.aws_region.this, "id", null))
  partition = data.aws_partition.this.partition

  # arn:aws:lambda:<region>:<account> and the like.
  stem = {
    for service in ["ecr", "ecs", "events", "lambda", "logs", "rds", "states"] :
    service => "arn:${local.partition}:${service}:${local.region}:${local.account}"
  }

  role_files = {
    for file in fileset("${path.module}/iam/roles", "*.json") :
    trimsuffix(file, ".json") => jsondecode(file("${path.module}/iam/roles/${file}"))
  }
  known_runbooks = sort(setsubtract(keys(local.role_files), ["both"]))

  known_roles = merge([
    for file in concat(["both"], tolist(var.runbooks)) : {
      for name, role in lookup(local.role_files, file, {}) :
      name => { trust = role.trust, allow = role.allow, file = file } if try(role.account, "home") == "home"
    }
  ]...)
  functions = { for name, role in local.known_roles : name => role if role.trust == "lambda" }
  workers = {
    for name, role in local.known_roles :
    name => role if role.trust == "ecs-tasks" && name != "task-execution"
  }
  machines = { for name, role in local.known_roles : name => role if role.trust == "states" }

  # Only who has something to start gets the right to.
  starters = {
    scheduler    = length(local.schedules) > 0
    events       = anytrue([for target in local.targets : target.statemachine != null])
    destinations = length(local.destinations) > 0
  }
  roles = { for name, role in local.known_roles : name => role if lookup(local.starters, name, true) }

  console = "https://${local.region}.console.aws.amazon.com/states/home?region=${local.region}#"

  run_bucket = coalesce(var.run_bucket, "${var.name}-${local.account}-${local.region}")
  machine_arns = {
    for name, _ in local.machines : name => "${local.stem.states}:stateMachine:${var.name}-${name}"
  }
  function_arns = {
    for name, _ in local.functions : name => "${local.stem.lambda}:function:${var.name}-${name}"
  }
  role_arns = {
    for name, _ in local.roles :
    name => "arn:${local.partition}:iam::${local.account}:role/${var.name}-${name}"
  }

  machine_logs = "${local.stem.logs}:log-group:/aws/vendedlogs/states/${var.name}-*"

  # What the files of iam/ and events/ may name: iam/README.md has the table. What is known before
  # anything is made stands apart, for a rule and its targets have to be counted in a plan.
  known_variables = {
    prefix             = var.name
    account            = local.account
    region             = local.region
    production_account = local.policy.account
    run_bucket         = local.run_bucket
    state_machines     = join("\",\"", values(local.machine_arns))
    # A list of prefixes; no snapshot's name begins with a hyphen.
    exported_snapshots = join("\" }, { \"prefix\": \"", coalescelist(local.exported.snapshots, ["-"]))
  }
  lists = {
    source_role              = local.policy.roles
    image_repository         = ["${local.stem.ecr}:repository/${var.name}"]
    stable_names_of_clusters = formatlist("${local.stem.rds}:cluster:%s", local.policy.stable)
    new_names_of_clusters    = formatlist("${local.stem.rds}:cluster:%s", local.policy.new)
    new_names_of_instances   = formatlist("${local.stem.rds}:db:%s-1", local.policy.new)
    fresh_names_of_clusters  = formatlist("${local.stem.rds}:cluster:%s", local.policy.fresh)
    fresh_names_of_instances = formatlist("${local.stem.rds}:db:%s-1", local.policy.fresh)
    log_delivery             = ["*"]
    tracing                  = ["*"]
    state_machine_logs       = ["${local.machine_logs}:log-stream:*"]
    export_buckets           = formatlist("arn:${local.partition}:s3:::%s", local.exported.buckets)
    exported_files           = formatlist("arn:${local.partition}:s3:::%s/*", local.exported.buckets)
    export_roles             = local.exported.roles
    export_keys              = var.export_key_arns
    shared_snapshots         = local.exported.shared
    masking_keys             = local.exported.masking_keys
    copy_keys                = var.copy_key_arns
    cluster_keys             = var.cluster_key_arns
    run_bucket_keys          = [aws_kms_key.runs.arn]
    secrets_keys             = var.secret_key_arns
  }
  # A placeholder stands between the quotation marks of a list's only element.
  variables = merge(
    local.known_variables,
    { for name, values in local.lists : name => join("\",\"", values) },
  )
}
