# What the policy file says that AWS has to know: who starts when, and which names and accounts a
# sync touches. All else is read by the states themselves.

locals {
  # The variable stands in the call itself, for Terraform to name it when the file is no YAML.
  policy_document = yamldecode(var.policy_file == null ? "{}" : file(var.policy_file))
  policy_lines = [
    for line in split("\n", var.policy_file == null ? "" : file(var.policy_file)) :
    trimspace(split(" #", line)[0])
  ]
  syncs = try(local.policy_document.syncs, {})

  policy = {
    # bucket.tf refuses more than one.
    account = join(" and ", distinct([for sync in local.syncs : try(sync.source.account, "")]))
    roles   = distinct([for sync in local.syncs : try(sync.source.role, "")])
    # A target's cluster, what it may be renamed to, and what the next one is called until then: with
    # the eight digits of a run's short id.
    stable = local.allowed_names
    new    = flatten([for name in local.allowed_names : [name, "${name}-old-????????"]])
    fresh  = [for name in local.allowed_names : "${name}-????????"]
  }
  exports = try(local.policy_document.exports, {})
  exported = {
    buckets = distinct([for export in local.exports : try(export.bucket, "")])
    roles   = distinct([for export in local.exports : try(export.role, "")])
    # EventBridge takes a pattern of 2,048 characters
    # (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html). Where the names do not
    # fit, every snapshot's event starts an execution, which leaves alone what is exported nowhere.
    snapshots = length(join("' }, { 'prefix': '", local.exported_snapshots)) <= 1500 ? (
      local.exported_snapshots
      ) : distinct([
        for name in local.exported_snapshots : startswith(name, "rds:") ? "rds:" : "sanitized-"
    ])
    # By name, or as the ARN that the policy gives; Secrets Manager adds six characters to a name.
    masking_keys = distinct([
      for secret in [
        for export in local.exports : local.syncs[export.source.sync].masking["key-secret"]
        if can(local.syncs[export.source.sync].masking["key-secret"])
      ] :
      startswith(secret, "arn:") ? secret :
      "arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:${secret}-??????"
    ])
    shared = distinct([
      for export in local.exports :
      "arn:${local.partition}:rds:${local.region}:${export.source.account}:cluster-snapshot:*"
      if can(export.source.account)
    ])
  }
  # What an event has to name: RDS's own snapshots of the cluster, or what the sync has sanitised.
  # Some of AWS's samples put rds: before a manual snapshot's name, too.
  exported_snapshots = distinct(flatten([
    for export in local.exports : can(export.source.sync) ? [
      "sanitized-${export.source.sync}-", "rds:sanitized-${export.source.sync}-",
    ] : ["rds:${try(export.source.cluster, "-")}-"]
  ]))
  allowed_names = length(var.target_names) > 0 ? var.target_names : local.target_names
  # As a regular expression: a name has no other character that means something in one.
  unnamed_targets = [
    for name in local.target_names : name
    if !anytrue([
      for allowed in local.allowed_names :
      can(regex("^${replace(replace(allowed, "*", ".*"), "?", ".")}$", name))
    ])
  ]
  target_names = distinct(flatten([for sync in local.syncs : try(sync.targets[*].cluster, [])]))

  # Another section of the policy file with schedules is another line here.
  scheduled = {
    syncs   = { runbook = "daily-sync", input = "sync" }
    exports = { runbook = "snapshot-export", input = "export" }
  }
  schedules = merge([
    for section, of in local.scheduled : {
      for name, entry in try(local.policy_document[section], {}) : "${of.runbook}-${name}" => {
        runbook = of.runbook
        input   = { (of.input) = name }
        cron    = try(split(" ", entry.schedule.cron), [])
        zone    = try(entry.schedule["time-zone"], null)
        window  = try(entry.schedule["maximum-window-in-minutes"], null)
        of      = "${section}.${name}"
        # The line is the name's first as a key of its own.
        at = "${var.policy_file}:${try(1 + index(local.policy_lines, "${name}:"), 1)}: ${section}.${name}"
      } if can(entry.schedule)
    } if contains(var.runbooks, of.runbook)
  ]...)
}

resource "aws_scheduler_schedule_group" "this" {
  count = length(local.schedules) > 0 ? 1 : 0
  name  = var.name
  tags  = var.tags
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297:A schedule holds the name of a sync, and no secret.
  for_each = local.schedules

  name                         = each.key
  description                  = "Starts ${each.value.runbook} as ${each.value.of} of the policy file says"
  group_name                   = aws_scheduler_schedule_group.this[0].name
  state                        = var.schedules_enabled ? "ENABLED" : "DISABLED"
  schedule_expression_timezone = each.value.zone
  # The day that is * beside a given one is ?, and the year is *
  # (https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html).
  schedule_expression = format("cron(%s %s %s %s %s *)",
    each.value.cron[0],
    each.value.cron[1],
    each.value.cron[2] == "*" && each.value.cron[4] != "*" ? "?" : each.value.cron[2],
    each.value.cron[3],
    each.value.cron[4] == "*" ? "?" : each.value.cron[4],
  )

  flexible_time_window {
    mode                      = each.value.window == null ? "OFF" : "FLEXIBLE"
    maximum_window_in_minutes = each.value.window
  }

  target {
    arn      = aws_sfn_alias.live[each.value.runbook].arn
    role_arn = module.role["scheduler"].arn
    input    = jsonencode(each.value.input)

    # A start that is late by an hour is better left to a person.
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 10
    }
    dead_letter_config {
      arn = aws_sqs_queue.dead_letters.arn
    }
  }

  lifecycle {
    precondition {
      condition = each.value.zone != null
      error_message = join(" ", [
        "policy_file: ${each.value.at}.schedule has no time-zone;",
        "write the zone of its hours, such as Europe/Berlin.",
      ])
    }
    precondition {
      condition     = length(each.value.cron) == 5
      error_message = "policy_file: ${each.value.at}.schedule.cron is not five fields with one space between."
    }
  }
}
