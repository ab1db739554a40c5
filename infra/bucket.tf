# The run bucket: findings, leases, attestations, reports, and the policy file.

resource "aws_s3_bucket" "runs" {
  #checkov:skip=CKV_AWS_18:CloudTrail's data events say who read what.
  #checkov:skip=CKV_AWS_144:Leases and reports belong to the region of their clusters.
  #checkov:skip=CKV2_AWS_62:Nobody waits for an object.
  bucket        = local.run_bucket
  force_destroy = var.run_bucket_force_destroy
  tags          = var.tags
}

resource "aws_s3_bucket_public_access_block" "runs" {
  bucket                  = aws_s3_bucket.runs.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "runs" {
  bucket = aws_s3_bucket.runs.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "runs" {
  bucket = aws_s3_bucket.runs.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "runs" {
  bucket = aws_s3_bucket.runs.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.runs.arn
    }
  }
}

resource "aws_s3_bucket_policy" "runs" {
  bucket = aws_s3_bucket.runs.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.resource_policies["run-bucket"].Statement })

  depends_on = [aws_s3_bucket_public_access_block.runs]
}

# What came of raw values expires, by its tag. Reports, attestations and all else stay; of them only
# replaced versions go.
resource "aws_s3_bucket_lifecycle_configuration" "runs" {
  bucket = aws_s3_bucket.runs.id

  rule {
    id     = "expires"
    status = "Enabled"
    filter {
      tag {
        key   = "expires"
        value = "true"
      }
    }
    expiration {
      days = var.runs_expire_after_days
    }
  }
  rule {
    id     = "replaced"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.runs]
}

resource "aws_s3_object" "policy" {
  count = var.policy_file == null ? 0 : 1

  bucket       = aws_s3_bucket.runs.id
  key          = "policy.yaml"
  content      = file(var.policy_file)
  content_type = "application/yaml"
  kms_key_id   = aws_kms_key.runs.arn

  depends_on = [aws_s3_bucket_server_side_encryption_configuration.runs, aws_s3_bucket_policy.runs]

  lifecycle {
    precondition {
      condition = length(local.syncs) + length(local.exports) > 0
      error_message = join(" ", [
        "policy_file: ${var.policy_file} has no syncs and no exports;",
        "`policy check` says what is wrong with it.",
      ])
    }
    precondition {
      condition = length(local.syncs) == 0 || can(regex("^[0-9]{12}$", local.policy.account))
      error_message = join(" ", [
        "policy_file: the sources of ${var.policy_file} are in the accounts ${local.policy.account};",
        "an installation reaches one account of production: deploy the module once for each, with",
        "a `name` and a policy file of its own.",
      ])
    }
    # A role's own policies have 10,240 characters together
    # (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html); the rest of
    # swap-target's, which names most, has under 3,200.
    precondition {
      condition = 7000 >= length(jsonencode(concat(
        local.lists.new_names_of_clusters, local.lists.new_names_of_instances,
      )))
      error_message = join(" ", [
        "target_names: IAM has no room in a role for the names of ${length(local.target_names)} targets;",
        "give what they have in common.",
      ])
    }
    precondition {
      condition     = length(local.unnamed_targets) == 0
      error_message = "target_names: no name there is that of ${join(", ", local.unnamed_targets)}."
    }
  }
}
