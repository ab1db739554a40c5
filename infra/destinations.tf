# Where our events go outside AWS: API destinations of events/destinations, each with its switch. No
# code of ours stands between EventBridge and them, and nothing here can fail a run.

locals {
  destinations = toset([
    for name, secret in { slack = var.slack_webhook_url, datadog = var.datadog_api_key } :
    name if nonsensitive(secret != null)
  ])
  destination_files = {
    for name in local.destinations : name => jsondecode(templatefile(
      "${path.module}/events/destinations/${name}.json",
      {
        prefix             = var.name
        slack_webhook_url  = var.slack_webhook_url == null ? "" : var.slack_webhook_url
        datadog_intake_url = "https://http-intake.logs.${var.datadog_site}/api/v2/logs"
        datadog_api_key    = var.datadog_api_key == null ? "" : var.datadog_api_key
      },
    ))
  }
}

# EventBridge keeps the header's value in a secret of its own.
resource "aws_cloudwatch_event_connection" "this" {
  for_each = local.destinations

  name               = "${var.name}-${each.key}"
  description        = nonsensitive(local.destination_files[each.key].description)
  authorization_type = "API_KEY"

  auth_parameters {
    api_key {
      key   = nonsensitive(local.destination_files[each.key].header.name)
      value = local.destination_files[each.key].header.value
    }
  }
}

resource "aws_cloudwatch_event_api_destination" "this" {
  for_each = local.destinations

  name                             = "${var.name}-${each.key}"
  description                      = nonsensitive(local.destination_files[each.key].description)
  invocation_endpoint              = local.destination_files[each.key].endpoint
  http_method                      = "POST"
  invocation_rate_limit_per_second = nonsensitive(local.destination_files[each.key].rate)
  connection_arn                   = aws_cloudwatch_event_connection.this[each.key].arn
}
