# A role for each function, worker and state machine, and for what starts them.

module "role" {
  source   = "./modules/role"
  for_each = local.roles

  name                     = each.key
  role                     = { trust = each.value.trust, allow = each.value.allow }
  permissions_boundary_arn = var.permissions_boundary_arn
  variables = merge(local.variables, {
    # A state machine calls the functions and workers of its own file.
    functions = join("\",\"", [
      for name, role in local.functions : local.function_arns[name] if role.file == each.value.file
    ])
    workers = join("\",\"", [
      for name, role in local.workers : "${local.stem.ecs}:task-definition/${var.name}-${name}:*"
      if role.file == each.value.file
    ])
    worker_roles = join("\",\"", concat(
      [for name, role in local.workers : local.role_arns[name] if role.file == each.value.file],
      [local.role_arns["task-execution"]],
    ))
  })
  tags = var.tags
}
