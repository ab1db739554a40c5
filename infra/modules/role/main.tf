# One role of iam/roles: its policies as iam/README.md says them.

locals {
  # A placeholder that a deployment has no value for is empty, and its scope makes no statement.
  nothing = { for name in [
    "production_account", "source_role", "image_repository", "stable_names_of_clusters",
    "new_names_of_clusters", "new_names_of_instances", "fresh_names_of_clusters",
    "fresh_names_of_instances", "production_keys", "copy_keys", "cluster_keys", "run_bucket",
    "run_bucket_keys", "secrets_keys", "log_delivery", "state_machine_logs", "tracing", "functions",
    "workers", "worker_roles", "callers_of_production", "external_id", "state_machines",
    "export_buckets", "exported_files", "export_roles", "export_keys", "shared_snapshots",
    "masking_keys",
  ] : name => "" }
  variables = merge(local.nothing, var.variables, { role = var.name })
  scopes    = jsondecode(templatefile("${path.module}/../../iam/scopes.json", local.variables))
  trust     = jsondecode(templatefile("${path.module}/../../iam/trust.json", local.variables))[var.role.trust]

  statements = [
    for scope, actions in var.role.allow : merge(
      {
        Sid      = join("", [for word in split("-", scope) : title(word)])
        Effect   = "Allow"
        Action   = actions
        Resource = local.scopes[scope].Resource
      },
      { for key, value in local.scopes[scope] : key => value if key == "Condition" },
    ) if length(compact(local.scopes[scope].Resource)) > 0
  ]

  of_organization = var.organization_id == null ? {} : { "aws:PrincipalOrgID" = var.organization_id }
  conditions = merge(
    try(local.trust.Condition, {}),
    var.organization_id == null ? {} : {
      StringEquals = merge(try(local.trust.Condition.StringEquals, {}), local.of_organization)
    },
  )
}

resource "aws_iam_role" "this" {
  name                 = "${var.variables.prefix}-${var.name}"
  description          = "aurora-runbooks: ${var.name}"
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [merge(
      { Effect = "Allow", Action = "sts:AssumeRole", Principal = local.trust.Principal },
      { for key, value in { Condition = local.conditions } : key => value if length(value) > 0 },
    )]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "this" {
  name   = "state"
  role   = aws_iam_role.this.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}
