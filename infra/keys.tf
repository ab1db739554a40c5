# One key for the run bucket, the logs and the image.

resource "aws_kms_key" "runs" {
  description             = "aurora-runbooks: run bucket, logs, image"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json
  tags                    = var.tags
}

# What variables.tf asks of the keys that it is given.
locals {
  key_arn    = "^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/"
  no_key_arn = "IAM wants ARNs of keys, arn:aws:kms:<region>:<account>:key/<id>, not aliases."
}

resource "aws_kms_alias" "runs" {
  name          = "alias/${var.name}-runs"
  target_key_id = aws_kms_key.runs.key_id
}

data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:In a key's policy, * is that key.
  #checkov:skip=CKV_AWS_111:In a key's policy, * is that key.
  #checkov:skip=CKV_AWS_356:In a key's policy, * is that key.
  # Who may use it is said by the roles' policies
  # (https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html).
  statement {
    sid       = "Account"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
  statement {
    sid       = "Logs"
    actions   = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["logs.${local.region}.amazonaws.com"]
    }
    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values = [
        "${local.stem.logs}:log-group:/aws/lambda/${var.name}-*",
        local.machine_logs,
        "${local.stem.logs}:log-group:/ecs/${var.name}",
      ]
    }
  }
}
