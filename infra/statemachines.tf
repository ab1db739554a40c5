# The state machines: the files of statemachines/, with their placeholders filled in.

resource "aws_cloudwatch_log_group" "machine" {
  for_each = local.machines

  # Under this prefix the policy of the delivery does not grow with each group
  # (https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html).
  name              = "/aws/vendedlogs/states/${var.name}-${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.runs.arn
  tags              = var.tags
}

resource "aws_sfn_state_machine" "this" {
  #checkov:skip=CKV_AWS_285:Errors are logged; what states pass stays in the history.
  for_each = local.machines

  name     = "${var.name}-${each.key}"
  role_arn = module.role[each.key].arn
  publish  = true
  tags     = var.tags

  definition = templatefile("${path.module}/../statemachines/${each.key}/statemachine.asl.json", merge(
    { for name, _ in local.functions : replace(name, "-", "_") => aws_lambda_function.this[name].arn },
    { for name, _ in local.workers : replace(name, "-", "_") => aws_ecs_task_definition.worker[name].family },
    {
      worker_cluster         = aws_ecs_cluster.workers.name
      worker_subnets         = join(",", var.worker_subnet_ids)
      worker_security_groups = aws_security_group.workers.id
      # What another state machine starts: by its name, for each of the two starts the other.
      major_upgrade            = "${local.stem.states}:stateMachine:${var.name}-major-upgrade:live"
      rehearse_upgrade         = "${local.stem.states}:stateMachine:${var.name}-rehearse-upgrade:live"
      rehearsal_subnet_group   = one(aws_db_subnet_group.rehearsal[*].name)
      rehearsal_security_group = one(aws_security_group.rehearsal[*].id)
    },
  ))

  logging_configuration {
    level                  = "ERROR"
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.machine[each.key].arn}:*"
  }
  tracing_configuration {
    enabled = true
  }
}

# What is started: schedules, rules and the output `start` name it. It is the newest version; point
# it at an older one to go back until the next apply.
resource "aws_sfn_alias" "live" {
  for_each = local.machines

  name = "live"
  routing_configuration {
    state_machine_version_arn = aws_sfn_state_machine.this[each.key].state_machine_version_arn
    weight                    = 100
  }
}
