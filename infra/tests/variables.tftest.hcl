# What a plan refuses, and by which variable: `terraform test` in infra/, without an account.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "444455556666" }
  }
  mock_data "aws_region" {
    defaults = { id = "eu-west-1", region = "eu-west-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_vpc" {
    defaults = { cidr_block = "10.0.0.0/16" }
  }
  mock_data "aws_subnet" {
    defaults = { id = "subnet-0a", vpc_id = "vpc-0a", map_public_ip_on_launch = false }
  }
  mock_data "aws_route_tables" {
    defaults = { ids = [] }
  }
  mock_data "aws_route_table" {
    defaults = { id = "rtb-0a", routes = [] }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  runbooks          = ["major-upgrade"]
  package           = { file = "versions.tf" }
  image_tag         = "v0.1.0"
  vpc_id            = "vpc-0a"
  worker_subnet_ids = ["subnet-0a", "subnet-0b"]
}

run "an_upgrade_needs_no_policy_file_and_no_second_account" {
  command = plan

  assert {
    condition     = length(aws_sfn_state_machine.this) == 1 && length(aws_scheduler_schedule.this) == 0
    error_message = "only the machine of major-upgrade, and no schedule"
  }
  assert {
    condition     = !contains(keys(module.role), "scheduler") && !contains(keys(module.role), "events")
    error_message = "no role for what is not there"
  }
}

run "a_sync_starts_by_the_policy_files_schedule" {
  command = plan
  variables {
    runbooks         = ["daily-sync"]
    policy_file      = "../policy/examples/orders.yaml"
    copy_key_arns    = ["arn:aws:kms:eu-west-1:111122223333:key/a"]
    cluster_key_arns = ["arn:aws:kms:eu-west-1:444455556666:key/b"]
  }

  assert {
    condition     = output.schedules == { "daily-sync-orders" = "cron(30 3 ? * MON-FRI *) Europe/Berlin" }
    error_message = "the cron and the zone of the policy file, as Scheduler writes them"
  }
  assert {
    condition     = aws_scheduler_schedule.this["daily-sync-orders"].flexible_time_window[0].mode == "OFF"
    error_message = "at the minute itself"
  }
}

run "an_export_starts_by_its_schedule_and_by_the_events_of_its_snapshots_alone" {
  command = plan
  variables {
    runbooks        = ["snapshot-export"]
    policy_file     = "tests/policies/exports.yaml"
    export_key_arns = ["arn:aws:kms:eu-west-1:444455556666:key/c"]
  }

  assert {
    condition     = keys(aws_scheduler_schedule.this) == ["snapshot-export-orders"]
    error_message = "one export has a schedule"
  }
  assert {
    condition = [
      for window in aws_scheduler_schedule.this["snapshot-export-orders"].flexible_time_window :
      [window.mode, tostring(window.maximum_window_in_minutes)]
    ] == [["FLEXIBLE", "30"]]
    error_message = "Scheduler chooses the moment"
  }
  assert {
    condition = [
      { prefix = "rds:orders-" }, { prefix = "sanitized-orders-" }, { prefix = "rds:sanitized-orders-" },
    ] == jsondecode(aws_cloudwatch_event_rule.this["snapshot-created"].event_pattern).detail.SourceIdentifier
    error_message = "only snapshots that are exported start something"
  }
}

run "many_targets_and_exports_fit_by_what_their_names_have_in_common" {
  command = plan
  variables {
    runbooks         = ["daily-sync", "snapshot-export"]
    policy_file      = "tests/policies/many.yaml"
    target_names     = ["*-dev"]
    copy_key_arns    = ["arn:aws:kms:eu-west-1:111122223333:key/a"]
    cluster_key_arns = ["arn:aws:kms:eu-west-1:444455556666:key/b"]
    export_key_arns  = ["arn:aws:kms:eu-west-1:444455556666:key/c"]
  }

  assert {
    condition     = local.policy.new == ["*-dev", "*-dev-old-????????"]
    error_message = "the roles name what the targets have in common"
  }
  assert {
    condition = (
      [{ prefix = "rds:" }] ==
      jsondecode(aws_cloudwatch_event_rule.this["snapshot-created"].event_pattern).detail.SourceIdentifier
    )
    error_message = "the pattern has room for what the names have in common alone"
  }
}

run "more_targets_than_iam_has_room_for" {
  command = plan
  variables {
    runbooks         = ["daily-sync"]
    policy_file      = "tests/policies/many.yaml"
    copy_key_arns    = ["arn:aws:kms:eu-west-1:111122223333:key/a"]
    cluster_key_arns = ["arn:aws:kms:eu-west-1:444455556666:key/b"]
  }
  expect_failures = [aws_s3_object.policy]
}

run "a_target_that_has_no_such_name" {
  command = plan
  variables {
    runbooks         = ["daily-sync"]
    policy_file      = "tests/policies/many.yaml"
    target_names     = ["c0?-dev", "*-support"]
    copy_key_arns    = ["arn:aws:kms:eu-west-1:111122223333:key/a"]
    cluster_key_arns = ["arn:aws:kms:eu-west-1:444455556666:key/b"]
  }
  expect_failures = [aws_s3_object.policy]
}

run "an_export_without_the_keys_of_its_files" {
  command = plan
  variables {
    runbooks    = ["snapshot-export"]
    policy_file = "tests/policies/exports.yaml"
  }
  expect_failures = [var.export_key_arns]
}

run "reports_and_attestations_stay_and_fingerprints_expire" {
  command = plan

  assert {
    condition = [
      for rule in aws_s3_bucket_lifecycle_configuration.runs.rule : one(rule.filter[0].tag).key
      if length(rule.expiration) > 0
    ] == ["expires"]
    error_message = "what is tagged so and nothing else"
  }
}

run "an_unknown_runbook" {
  command = plan
  variables {
    runbooks = ["major-upgrades"]
  }
  expect_failures = [var.runbooks]
}

run "a_rehearsal_without_an_upgrade" {
  command = plan
  variables {
    runbooks = ["rehearse-upgrade"]
  }
  expect_failures = [var.runbooks]
}

run "a_fleet_without_a_rehearsal" {
  command = plan
  variables {
    runbooks = ["major-upgrade", "upgrade-fleet"]
  }
  expect_failures = [var.runbooks]
}

run "a_clone_of_a_rehearsal_lets_only_the_workers_in" {
  command = plan
  variables {
    runbooks = ["major-upgrade", "rehearse-upgrade"]
  }
  assert {
    condition = [
      for rule in aws_vpc_security_group_ingress_rule.rehearsal : [rule.from_port, rule.to_port]
    ] == [[5432, 5432]]
    error_message = "PostgreSQL's port and no other"
  }
}

run "no_runbook" {
  command = plan
  variables {
    runbooks = []
  }
  expect_failures = [var.runbooks]
}

run "what_is_not_of_its_kind" {
  command = plan
  variables {
    name                      = "Runbooks"
    architecture              = "amd64"
    image_tag                 = "latest"
    vpc_id                    = "default"
    database_cidrs            = ["10.0.0.0"]
    run_bucket                = "Runs"
    alarm_topic_arns          = ["arn:aws:sqs:eu-west-1:444455556666:alarms"]
    organization_id           = "acme"
    production_event_accounts = ["production"]
    # IAM knows no aliases.
    copy_key_arns    = ["alias/aurora"]
    cluster_key_arns = ["alias/aurora"]
    secret_key_arns  = ["alias/aurora"]
    # A token of Slack is no webhook.
    slack_webhook_url = "xoxb-0"
    sentry_dsn        = "https://sentry.io"
  }
  expect_failures = [
    var.name, var.architecture, var.image_tag, var.vpc_id, var.database_cidrs, var.run_bucket,
    var.alarm_topic_arns, var.organization_id, var.production_event_accounts, var.copy_key_arns,
    var.cluster_key_arns, var.secret_key_arns, var.slack_webhook_url,
    var.sentry_dsn,
  ]
}

run "numbers_that_aws_does_not_take" {
  command = plan
  variables {
    worker_size            = { cpu = 512, memory = 8192 }
    database_ports         = [80]
    function_timeout       = 1
    function_memory        = 20480
    runs_expire_after_days = 1
    log_retention_days     = 100
    hours_without_sync     = 200
    hours_of_raw_copy      = 0
    worker_subnet_ids      = []
  }
  expect_failures = [
    var.worker_size, var.database_ports, var.function_timeout, var.function_memory,
    var.runs_expire_after_days, var.log_retention_days, var.hours_without_sync, var.hours_of_raw_copy,
    var.worker_subnet_ids,
  ]
}

run "a_price_below_nothing" {
  command = plan
  variables {
    prices = { worker_hour = -1 }
  }
  expect_failures = [var.prices]
}

run "a_package_that_is_not_there" {
  command = plan
  variables {
    package = { file = "nothing.zip" }
  }
  expect_failures = [var.package]
}

run "a_package_from_two_places" {
  command = plan
  variables {
    package = { file = "versions.tf", url = "https://a.example/functions.zip" }
  }
  expect_failures = [var.package]
}

run "a_url_without_a_checksum" {
  command = plan
  variables {
    package = { url = "https://a.example/functions.zip" }
  }
  expect_failures = [var.package]
}

run "a_subnet_of_another_vpc" {
  command = plan
  override_data {
    target = data.aws_subnet.worker[0]
    values = { id = "subnet-0b", vpc_id = "vpc-0b", map_public_ip_on_launch = false }
  }
  expect_failures = [data.aws_subnet.worker]
}

run "a_subnet_that_gives_public_addresses" {
  command = plan
  override_data {
    target = data.aws_subnet.worker[0]
    values = { id = "subnet-0a", vpc_id = "vpc-0a", map_public_ip_on_launch = true }
  }
  expect_failures = [data.aws_subnet.worker]
}

run "a_subnet_that_leads_to_the_internet" {
  command = plan
  override_data {
    target = data.aws_route_table.worker[0]
    values = { id = "rtb-0b", routes = [{ gateway_id = "igw-0a" }] }
  }
  expect_failures = [data.aws_route_table.worker]
}

run "a_sync_without_a_policy_file_and_keys" {
  command = plan
  variables {
    runbooks = ["daily-sync"]
  }
  expect_failures = [var.policy_file, var.copy_key_arns, var.cluster_key_arns]
}

run "a_policy_file_that_is_not_there" {
  command = plan
  variables {
    policy_file = "nothing.yaml"
  }
  expect_failures = [var.policy_file]
}

run "a_schedule_without_a_time_zone" {
  command = plan
  variables {
    runbooks         = ["daily-sync"]
    policy_file      = "tests/policies/no-time-zone.yaml"
    copy_key_arns    = ["arn:aws:kms:eu-west-1:111122223333:key/a"]
    cluster_key_arns = ["arn:aws:kms:eu-west-1:444455556666:key/b"]
  }
  expect_failures = [aws_scheduler_schedule.this]
}

run "a_schedule_that_is_no_cron" {
  command = plan
  variables {
    runbooks         = ["daily-sync"]
    policy_file      = "tests/policies/no-cron.yaml"
    copy_key_arns    = ["arn:aws:kms:eu-west-1:111122223333:key/a"]
    cluster_key_arns = ["arn:aws:kms:eu-west-1:444455556666:key/b"]
  }
  expect_failures = [aws_scheduler_schedule.this]
}

run "two_accounts_of_production" {
  command = plan
  variables {
    runbooks         = ["daily-sync"]
    policy_file      = "tests/policies/two-accounts.yaml"
    copy_key_arns    = ["arn:aws:kms:eu-west-1:111122223333:key/a"]
    cluster_key_arns = ["arn:aws:kms:eu-west-1:444455556666:key/b"]
  }
  expect_failures = [aws_s3_object.policy]
}

run "a_policy_file_without_syncs" {
  command = plan
  variables {
    runbooks         = ["daily-sync"]
    policy_file      = "tests/policies/no-syncs.yaml"
    copy_key_arns    = ["arn:aws:kms:eu-west-1:111122223333:key/a"]
    cluster_key_arns = ["arn:aws:kms:eu-west-1:444455556666:key/b"]
  }
  expect_failures = [aws_s3_object.policy]
}

run "a_role_that_another_account_assumes_asks_for_the_organization" {
  command = plan
  module {
    source = "./modules/role"
  }
  variables {
    name            = "source"
    organization_id = "o-a1b2c3d4e5"
    role            = { trust = "home", allow = { look = ["rds:DescribeDBClusterSnapshots"] } }
    variables = {
      prefix                = "aurora-runbooks"
      account               = "444455556666"
      region                = "eu-west-1"
      callers_of_production = "arn:aws:iam::444455556666:role/aurora-runbooks-copy-snapshot"
      external_id           = "acme-orders"
    }
  }

  assert {
    condition = one(jsondecode(aws_iam_role.this.assume_role_policy).Statement).Condition == {
      ArnEquals    = { "aws:PrincipalArn" = ["arn:aws:iam::444455556666:role/aurora-runbooks-copy-snapshot"] }
      StringEquals = { "aws:PrincipalOrgID" = "o-a1b2c3d4e5", "sts:ExternalId" = "acme-orders" }
    }
    error_message = "one of our roles, with the external id, and of the organization"
  }
}

run "an_external_id_that_sts_does_not_take" {
  command = plan
  module {
    source = "./modules/production-account"
  }
  variables {
    home_account     = "444455556666"
    cluster_key_arns = ["arn:aws:kms:eu-west-1:111122223333:key/a"]
    external_id      = "with blanks"
  }
  expect_failures = [var.external_id]
}

run "rdss_events_come_from_productions_account_of_the_organization" {
  command = plan
  variables {
    production_event_accounts = ["111122223333"]
    organization_id           = "o-a1b2c3d4e5"
  }

  assert {
    condition = one(data.aws_iam_policy_document.bus.statement).principals == toset([
      { type = "AWS", identifiers = toset(["arn:aws:iam::111122223333:root"]) },
    ])
    error_message = "that account"
  }
  assert {
    condition = {
      for asked in one(data.aws_iam_policy_document.bus.statement).condition : asked.variable => asked.values
      } == {
      "events:source"      = tolist(["aws.rds"])
      "aws:PrincipalOrgID" = tolist(["o-a1b2c3d4e5"])
    }
    error_message = "RDS's events, of the organization"
  }
}

run "prices_reach_the_reports_and_nobody_else" {
  command = plan
  variables {
    prices = { currency = "EUR", worker_hour = 0.12 }
  }

  assert {
    condition = tomap({
      for name, value in aws_lambda_function.this["report-run"].environment[0].variables :
      name => value if startswith(name, "PRICE_")
    }) == tomap({ PRICE_CURRENCY = "EUR", PRICE_WORKER_HOUR = "0.12" })
    error_message = "what has a price, and its currency"
  }
  assert {
    condition = (
      keys(aws_lambda_function.this["take-snapshot"].environment[0].variables) == tolist(["RUN_BUCKET"])
    )
    error_message = "no price is anybody else's"
  }
}

run "the_reports_of_runs_under_way_are_made_every_minute" {
  command = plan

  assert {
    condition = (
      aws_cloudwatch_event_rule.this["runs-under-way"].schedule_expression == "rate(1 minute)"
      && aws_cloudwatch_event_rule.this["runs-under-way"].event_pattern == null
      && can(jsondecode(aws_cloudwatch_event_target.this["runs-under-way/report-run"].input).stateMachines)
    )
    error_message = "a schedule, and which machines"
  }
}

run "every_upgrade_can_be_made_to_ask" {
  command = plan

  variables {
    require_approval = true
  }
  assert {
    condition = (
      aws_lambda_function.this["resolve-upgrade"].environment[0].variables["REQUIRE_APPROVAL"] == "true"
      && !contains(keys(aws_lambda_function.this["take-snapshot"].environment[0].variables), "REQUIRE_APPROVAL")
    )
    error_message = "resolve-upgrade is told, and nobody else"
  }
}
