# With its rights, each time cut down by a policy of the check for one session, the program asks
# what RDS asks IAM about. By itself it can do nothing to a cluster that is not of the program's.

data "aws_caller_identity" "runner" {}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = [var.account]
    }

    # Whoever applied this: the same user, or the same session of a role.
    condition {
      test     = "StringEquals"
      variable = "aws:userid"
      values   = [data.aws_caller_identity.runner.user_id]
    }
  }
}

data "aws_iam_policy_document" "tries" {
  statement {
    actions   = ["rds:DescribeDBClusters"]
    resources = ["*"]
  }

  statement {
    actions = [
      "rds:AddTagsToResource",
      "rds:ModifyDBCluster",
      "rds:RestoreDBClusterFromSnapshot",
    ]
    resources = [
      for kind in ["cluster", "cluster-snapshot"] :
      "arn:aws:rds:${var.region}:${var.account}:${kind}:${var.name}-check-*"
    ]
  }

  statement {
    actions = ["rds:RestoreDBClusterFromSnapshot"]
    resources = [
      "arn:aws:rds:${var.region}:${var.account}:cluster-pg:default.*",
      "arn:aws:rds:${var.region}:${var.account}:og:default:*",
      "arn:aws:rds:${var.region}:${var.account}:subgrp:${var.name}",
      # One that another account shares (`--shared-snapshot`).
      "arn:aws:rds:${var.region}:*:cluster-snapshot:*",
    ]
  }
}

resource "aws_iam_role" "tries" {
  name               = "${var.name}-tries"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = local.tags
}

resource "aws_iam_role_policy" "tries" {
  name   = "tries"
  role   = aws_iam_role.tries.id
  policy = data.aws_iam_policy_document.tries.json
}
