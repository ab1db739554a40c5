# What a person must hear of. docs/operations.md says what each means and what to type.

locals {
  machine_alarms = merge([
    for name, arn in local.machine_arns : {
      "${name}-failed" = {
        machine = name
        metric  = "ExecutionsFailed"
        about   = "An execution of ${name} has failed: its report says why and what to type"
      }
      "${name}-timed-out" = {
        machine = name
        metric  = "ExecutionsTimedOut"
        about   = "An execution of ${name} has timed out"
      }
      "${name}-throttled" = {
        machine = name
        metric  = "ExecutionThrottled"
        about   = "Step Functions holds ${name} back: the account's quota of state transitions is used up"
      }
    }
  ]...)
}

resource "aws_cloudwatch_metric_alarm" "machine" {
  for_each = local.machine_alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.about
  namespace           = "AWS/States"
  metric_name         = each.value.metric
  dimensions          = { StateMachineArn = aws_sfn_state_machine.this[each.value.machine].arn }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "no_sync" {
  count = contains(var.runbooks, "daily-sync") ? 1 : 0

  alarm_name          = "${var.name}-no-sync"
  alarm_description   = "No sync has succeeded for ${var.hours_without_sync} hours: targets have old data"
  namespace           = "AWS/States"
  metric_name         = "ExecutionsSucceeded"
  dimensions          = { StateMachineArn = aws_sfn_state_machine.this["daily-sync"].arn }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = var.hours_without_sync
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topic_arns
  tags                = var.tags
}

# functions/src/watch_raw_copies.rs writes it.
resource "aws_cloudwatch_metric_alarm" "raw_copy" {
  alarm_name          = "${var.name}-raw-copy"
  alarm_description   = "A copy of production that is not sanitised stands for more than ${var.hours_of_raw_copy} hours, or nobody could look for an hour"
  namespace           = "AuroraRunbooks"
  metric_name         = "RawCopyAge"
  statistic           = "Maximum"
  period              = 1200
  evaluation_periods  = 3
  datapoints_to_alarm = 3
  threshold           = 3600 * var.hours_of_raw_copy
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topic_arns
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${var.name}-dead-letters"
  alarm_description   = "A start, a report or a message is not delivered: queue ${var.name}-dead-letters"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letters.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "report_run" {
  alarm_name          = "${var.name}-no-report"
  alarm_description   = "report-run has failed: an execution has no report, or an old one"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.this["report-run"].function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  tags                = var.tags
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat(
      [
        for at, name in sort(keys(local.machine_arns)) : {
          type   = "metric"
          x      = 0
          y      = 6 * at
          width  = 12
          height = 6
          properties = {
            title  = name
            region = local.region
            stat   = "Sum"
            period = 3600
            metrics = [
              for how in ["Started", "Succeeded", "Failed", "TimedOut", "Aborted"] :
              ["AWS/States", "Executions${how}", "StateMachineArn", local.machine_arns[name]]
            ]
          }
        }
      ],
      [
        for at, name in sort(keys(local.machine_arns)) : {
          type   = "metric"
          x      = 12
          y      = 6 * at
          width  = 12
          height = 6
          properties = {
            title   = "${name}: how long executions took"
            region  = local.region
            stat    = "Maximum"
            period  = 3600
            metrics = [["AWS/States", "ExecutionTime", "StateMachineArn", local.machine_arns[name]]]
          }
        }
      ],
    )
  })
}
