# One message when an execution has ended, by an API destination: no code of ours, and nothing that
# could fail a run. The token is in the connection's secret.

resource "aws_cloudwatch_event_connection" "slack" {
  count = var.slack == null ? 0 : 1

  name               = "${var.name}-slack"
  description        = "The bot token of Slack"
  authorization_type = "API_KEY"

  auth_parameters {
    api_key {
      key   = "Authorization"
      value = "Bearer ${var.slack_token}"
    }
  }
}

resource "aws_cloudwatch_event_api_destination" "slack" {
  count = var.slack == null ? 0 : 1

  name                = "${var.name}-slack"
  description         = "chat.postMessage"
  invocation_endpoint = "https://slack.com/api/chat.postMessage"
  http_method         = "POST"
  # Slack takes about one message a second a channel (https://docs.slack.dev/apis/web-api/rate-limits).
  invocation_rate_limit_per_second = 1
  connection_arn                   = aws_cloudwatch_event_connection.slack[0].arn
}

resource "aws_cloudwatch_event_rule" "slack" {
  count = var.slack == null ? 0 : 1

  name        = "${var.name}-slack"
  description = "How an execution of ours ends is said in Slack"
  tags        = var.tags
  event_pattern = jsonencode({
    source        = ["aws.states"]
    "detail-type" = ["Step Functions Execution Status Change"]
    detail = {
      stateMachineArn = values(local.machine_arns)
      status          = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
    }
  })
}

resource "aws_cloudwatch_event_target" "slack" {
  count = var.slack == null ? 0 : 1

  rule      = aws_cloudwatch_event_rule.slack[0].name
  target_id = "slack"
  arn       = aws_cloudwatch_event_api_destination.slack[0].arn
  role_arn  = aws_iam_role.slack[0].arn

  input_transformer {
    input_paths = {
      name      = "$.detail.name"
      execution = "$.detail.executionArn"
      status    = "$.detail.status"
    }
    # The event has no error text: the report in the run bucket has. jsonencode writes < and > as
    # escapes, which EventBridge would not take for its variables.
    input_template = replace(replace(jsonencode({
      channel = var.slack.channel
      text = join("\n", [
        "<status>: <name>",
        "${local.console}/v2/executions/details/<execution>",
        "Report: s3://${local.run_bucket}/runs/<name>/report.html",
      ])
    }), "\\u003c", "<"), "\\u003e", ">")
  }
  retry_policy {
    maximum_event_age_in_seconds = 86400
    maximum_retry_attempts       = 185
  }
  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

resource "aws_iam_role" "slack" {
  count = var.slack == null ? 0 : 1

  name                 = "${var.name}-slack"
  description          = "aurora-runbooks: the rule that writes to Slack"
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "events.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "${local.stem.events}:rule/${var.name}-slack" }
      }
    }]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "slack" {
  count = var.slack == null ? 0 : 1

  name = "slack"
  role = aws_iam_role.slack[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "events:InvokeApiDestination"
      Resource = aws_cloudwatch_event_api_destination.slack[0].arn
    }]
  })
}
