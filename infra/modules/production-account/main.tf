# What daily-sync needs in production's account: the role that takes our copy of a snapshot, the key
# that encrypts the copy, and, if wanted, RDS's events on our bus.

data "aws_caller_identity" "this" {}
data "aws_region" "this" {}
data "aws_partition" "this" {}

locals {
  account = data.aws_caller_identity.this.account_id
  # As in the module's main.tf: version 6 of the provider, or 5.
  region    = lookup(data.aws_region.this, "region", lookup(data.aws_region.this, "id", null))
  partition = data.aws_partition.this.partition

  iam = "${path.module}/../../iam"
  role_files = [
    for file in fileset("${local.iam}/roles", "*.json") : jsondecode(file("${local.iam}/roles/${file}"))
  ]
  rule_arn = "arn:${local.partition}:events:${local.region}:${local.account}:rule/${var.name}-snapshots"

  # Who may come: the roles that have the scope `production`.
  callers = flatten([
    for roles in local.role_files : [
      for name, role in roles : "arn:${local.partition}:iam::${var.home_account}:role/${var.name}-${name}"
      if contains(keys(role.allow), "production")
    ]
  ])
  roles = merge([
    for roles in local.role_files : {
      for name, role in roles : name => role if try(role.account, "home") == "production"
    }
  ]...)

  variables = {
    prefix                = var.name
    account               = var.home_account
    production_account    = local.account
    region                = local.region
    run_bucket            = ""
    production_keys       = join("\",\"", var.cluster_key_arns)
    copy_keys             = aws_kms_key.copies.arn
    callers_of_production = join("\",\"", local.callers)
    external_id           = var.external_id
  }
  on_copy_key = jsondecode(templatefile("${local.iam}/resources.json", local.key_variables))["copy-key"]
  key_variables = {
    prefix             = var.name
    account            = var.home_account
    production_account = local.account
    region             = local.region
    run_bucket         = ""
  }
}

module "role" {
  source   = "../role"
  for_each = local.roles

  name                     = each.key
  role                     = { trust = each.value.trust, allow = each.value.allow }
  variables                = local.variables
  organization_id          = var.organization_id
  permissions_boundary_arn = var.permissions_boundary_arn
  tags                     = var.tags
}

resource "aws_kms_key" "copies" {
  description             = "aurora-runbooks: our copies of snapshots"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = jsonencode({ Version = "2012-10-17", Statement = local.on_copy_key.Statement })
  tags                    = var.tags
}

resource "aws_kms_alias" "copies" {
  name          = local.on_copy_key.key
  target_key_id = aws_kms_key.copies.key_id
}

resource "aws_cloudwatch_event_rule" "snapshots" {
  count = var.event_bus == null ? 0 : 1

  name        = "${var.name}-snapshots"
  description = "What happens to cluster snapshots is told to the account of the runbooks"
  tags        = var.tags
  event_pattern = jsonencode({
    source        = ["aws.rds"]
    "detail-type" = ["RDS DB Cluster Snapshot Event"]
  })
}

resource "aws_cloudwatch_event_target" "snapshots" {
  count = var.event_bus == null ? 0 : 1

  rule      = aws_cloudwatch_event_rule.snapshots[0].name
  target_id = "home"
  arn       = var.event_bus.arn
  role_arn  = aws_iam_role.forward[0].arn
}

resource "aws_iam_role" "forward" {
  count = var.event_bus == null ? 0 : 1

  name                 = "${var.name}-forward"
  description          = "aurora-runbooks: the rule that forwards events"
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "events.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = local.rule_arn }
      }
    }]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "forward" {
  count = var.event_bus == null ? 0 : 1

  name = "forward"
  role = aws_iam_role.forward[0].id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "events:PutEvents", Resource = var.event_bus.arn }]
  })
}
