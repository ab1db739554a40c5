output "state_machine_arns" {
  description = "The ARN of each runbook's state machine."
  value       = { for name, machine in aws_sfn_state_machine.this : name => machine.arn }
}

output "console" {
  description = "The page of each state machine in the AWS console: Start execution is a button there."
  value = {
    for name, machine in aws_sfn_state_machine.this :
    name => "${local.console}/statemachines/view/${machine.arn}"
  }
}

output "start" {
  description = "The command that starts each runbook; its README has the input."
  value = {
    for name, machine in aws_sfn_state_machine.this : name => join(" ", [
      "aws stepfunctions start-execution --region ${local.region}",
      "--state-machine-arn ${aws_sfn_alias.live[name].arn}",
      "--input '${trimspace(file("${path.module}/../statemachines/${name}/examples/smallest.json"))}'",
    ])
  }
}

output "event_bus_arn" {
  description = "Our event bus."
  value       = aws_cloudwatch_event_bus.this.arn
}

output "run_bucket" {
  description = "The name of the run bucket."
  value       = aws_s3_bucket.runs.id
}

output "image_repository_url" {
  description = "Where the workers' image is pushed to, with the tag `image_tag`."
  value       = aws_ecr_repository.worker.repository_url
}

output "worker_security_group_id" {
  description = <<-TEXT
    The workers' security group: let it into the security groups of the clusters, and of the
    quarantine nothing else.
  TEXT
  value       = aws_security_group.workers.id
}

output "role_arns" {
  description = "The role of each function, worker and state machine, by its name in iam/roles."
  value       = { for name, role in module.role : name => role.arn }
}

output "schedules" {
  description = "What each schedule starts, and when."
  value = {
    for name, schedule in aws_scheduler_schedule.this :
    name => "${schedule.schedule_expression} ${schedule.schedule_expression_timezone}"
  }
}
