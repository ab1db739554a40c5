# The Lambda functions: one zip, whose handler setting says which state a function is.

locals {
  fetched      = "${path.root}/.terraform/${var.name}-${coalesce(var.package.sha256, "none")}.zip"
  package_file = var.package.url == null ? var.package.file : local.fetched
}

# Lambda wants the file itself; it is fetched where Terraform applies, and checked.
resource "terraform_data" "package" {
  count = var.package.url == null ? 0 : 1
  # Also for a function that is new: the file of an earlier apply may lie on another machine.
  triggers_replace = [var.package.url, var.package.sha256, local.fetched, keys(local.functions)]

  provisioner "local-exec" {
    command = <<-SH
      curl --fail --silent --show-error --location --output "$FILE" "$URL" &&
        echo "$SHA256  $FILE" | sha256sum --check --quiet
    SH
    environment = {
      FILE   = local.package_file
      URL    = var.package.url
      SHA256 = var.package.sha256
    }
  }
}

resource "aws_cloudwatch_log_group" "function" {
  for_each = local.functions

  name              = "/aws/lambda/${var.name}-${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.runs.arn
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:The state machine is traced; CloudTrail has a function's calls.
  #checkov:skip=CKV_AWS_115:A limit of its own would only let one state's poll fail while others run.
  #checkov:skip=CKV_AWS_116:Step Functions has a state's error; events have the queue of their rule.
  #checkov:skip=CKV_AWS_117:A function speaks to AWS alone, never to a database.
  #checkov:skip=CKV_AWS_173:The variables are names, prices, and a DSN of Sentry, which only lets one send.
  #checkov:skip=CKV_AWS_272:It is compared with its SHA-256; a release attests where it was built.
  for_each = local.functions

  function_name    = "${var.name}-${each.key}"
  description      = "aurora-runbooks: ${each.key}"
  role             = module.role[each.key].arn
  runtime          = "provided.al2023"
  architectures    = [var.architecture]
  handler          = each.key
  filename         = local.package_file
  source_code_hash = var.package.url == null ? filebase64sha256(var.package.file) : var.package.sha256
  memory_size      = var.function_memory
  timeout          = var.function_timeout
  tags             = var.tags

  environment {
    variables = merge({ RUN_BUCKET = aws_s3_bucket.runs.id }, lookup(local.variables_of, each.key, {}))
  }

  depends_on = [aws_cloudwatch_log_group.function, terraform_data.package]
}

resource "aws_lambda_permission" "events" {
  for_each = local.on_functions

  statement_id   = each.value.Sid
  function_name  = aws_lambda_function.this[each.key].function_name
  action         = each.value.Action
  principal      = each.value.Principal.Service
  source_arn     = each.value.Condition.ArnLike["aws:SourceArn"]
  source_account = each.value.Condition.StringEquals["aws:SourceAccount"]
}

locals {
  variables_of = {
    report-run      = local.of_report_run
    resolve-upgrade = var.require_approval ? { REQUIRE_APPROVAL = "true" } : {}
  }
  of_report_run = merge(local.prices, { for name, value in {
    EVENT_BUS          = aws_cloudwatch_event_bus.this.name
    SENTRY_DSN         = var.sentry_dsn
    SENTRY_ENVIRONMENT = var.sentry_environment
    SENTRY_RELEASE     = var.image_tag
  } : name => value if value != null })
  resource_policies = jsondecode(templatefile("${path.module}/iam/resources.json", local.known_variables))
  # Those that rules call.
  on_functions = {
    for name, policy in local.resource_policies : name => one(policy.Statement)
    if contains(keys(local.functions), name)
  }
}

# What functions/src/report_run/cost.rs reads.
locals {
  prices = { for name, price in var.prices : "PRICE_${upper(name)}" => tostring(price) if price != null }
}
