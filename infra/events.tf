# The rules of events/, as they stand there; our bus; and where an event goes that nobody takes.

locals {
  rule_files = [
    for file in fileset("${path.module}/events", "*.json") :
    jsondecode(templatefile("${path.module}/events/${file}", local.known_variables))
  ]
  # A target that is not deployed makes no target, and a rule without targets no rule.
  targets = merge([
    for rule in local.rule_files : {
      for target in rule.targets : "${rule.name}/${target.id}" => {
        rule         = rule.name
        id           = target.id
        function     = try(target.function, null)
        statemachine = try(target.statemachine, null)
        destination  = try(target.destination, null)
        path         = try(target.path, null)
        transform    = try(target.transform, null)
        input        = try(jsonencode(target.input), null)
        } if try(
        contains(keys(local.functions), target.function),
        contains(keys(local.machines), target.statemachine),
        contains(local.destinations, target.destination),
      )
    }
  ]...)
  rules = {
    for rule in local.rule_files :
    rule.name => rule if contains([for target in local.targets : target.rule], rule.name)
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.rules

  name           = "${var.name}-${each.key}"
  description    = each.value.description
  event_bus_name = each.value.bus == var.name ? aws_cloudwatch_event_bus.this.name : each.value.bus
  event_pattern  = can(each.value.pattern) ? jsonencode(each.value.pattern) : null
  tags           = var.tags

  schedule_expression = try(each.value.schedule, null)
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = local.targets

  rule           = aws_cloudwatch_event_rule.this[each.value.rule].name
  event_bus_name = aws_cloudwatch_event_rule.this[each.value.rule].event_bus_name
  target_id      = each.value.id
  input_path     = each.value.path
  # The function's own policy lets EventBridge in.
  role_arn = (
    each.value.function != null ? null
    : module.role[each.value.destination == null ? "events" : "destinations"].arn
  )
  arn = (
    each.value.function != null ? aws_lambda_function.this[each.value.function].arn
    : each.value.destination != null ? aws_cloudwatch_event_api_destination.this[each.value.destination].arn
    : aws_sfn_alias.live[each.value.statemachine].arn
  )

  input = each.value.input

  dynamic "input_transformer" {
    for_each = each.value.transform[*]
    content {
      input_paths    = input_transformer.value.paths
      input_template = input_transformer.value.template
    }
  }
  retry_policy {
    maximum_event_age_in_seconds = 86400
    maximum_retry_attempts       = 185
  }
  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

# For events of production's account, our own (docs/events.md), and what people attach to it.
resource "aws_cloudwatch_event_bus" "this" {
  name = var.name
  tags = var.tags
}

# The rule that reads the bus has to ask for `account`, too: whoever may send chooses the detail.
resource "aws_cloudwatch_event_bus_policy" "production" {
  count          = length(var.production_event_accounts) == 0 ? 0 : 1
  event_bus_name = aws_cloudwatch_event_bus.this.name
  policy         = data.aws_iam_policy_document.bus.json
}

data "aws_iam_policy_document" "bus" {
  statement {
    sid       = "EventsOfRds"
    actions   = ["events:PutEvents"]
    resources = [aws_cloudwatch_event_bus.this.arn]
    principals {
      type = "AWS"
      identifiers = [
        for account in var.production_event_accounts : "arn:${local.partition}:iam::${account}:root"
      ]
    }
    condition {
      test     = "StringEquals"
      variable = "events:source"
      values   = ["aws.rds"]
    }
    dynamic "condition" {
      for_each = var.organization_id[*]
      content {
        test     = "StringEquals"
        variable = "aws:PrincipalOrgID"
        values   = [condition.value]
      }
    }
  }
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters"
  message_retention_seconds = 1209600
  # With SQS's own key: a customer's would have to let the schedules' role in, too.
  sqs_managed_sse_enabled = true
  tags                    = var.tags
}

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id
  policy    = data.aws_iam_policy_document.dead_letters.json
}

data "aws_iam_policy_document" "dead_letters" {
  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
  statement {
    sid       = "Rules"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      # A rule on our own bus has the bus in its ARN.
      values = [
        "${local.stem.events}:rule/${var.name}-*",
        "${local.stem.events}:rule/${var.name}/${var.name}-*",
      ]
    }
  }
  # Scheduler sends with the schedule's role
  # (https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html).
  dynamic "statement" {
    for_each = local.starters.scheduler ? [module.role["scheduler"].arn] : []
    content {
      sid       = "Schedules"
      actions   = ["sqs:SendMessage"]
      resources = [aws_sqs_queue.dead_letters.arn]
      principals {
        type        = "AWS"
        identifiers = [statement.value]
      }
    }
  }
}
