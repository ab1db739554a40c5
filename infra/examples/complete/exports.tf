# Where the exports of the policy file go: the file's `bucket`, `kms-key` and `role`.

resource "aws_kms_key" "exports" {
  #checkov:skip=CKV2_AWS_64:The default policy leaves it to IAM.
  description         = "aurora-runbooks: exported files"
  enable_key_rotation = true
}

resource "aws_kms_alias" "exports" {
  name          = "alias/orders-export"
  target_key_id = aws_kms_key.exports.key_id
}

resource "aws_s3_bucket" "exports" {
  #checkov:skip=CKV_AWS_18:CloudTrail's data events say who read what.
  #checkov:skip=CKV_AWS_21:An export is written once, and deleted by the policy's `keep`.
  #checkov:skip=CKV_AWS_144:Whoever needs the files in another region replicates them.
  #checkov:skip=CKV2_AWS_61:The policy's `keep` says what is deleted when.
  #checkov:skip=CKV2_AWS_62:Our bus says when an export can be read.
  bucket = var.export_bucket
}

resource "aws_s3_bucket_public_access_block" "exports" {
  bucket                  = aws_s3_bucket.exports.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "exports" {
  bucket = aws_s3_bucket.exports.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.exports.arn
    }
  }
}

# As the guide makes it
# (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-export-snapshot.Setup.html).
resource "aws_iam_role" "exports" {
  name        = "orders-export"
  description = "RDS writes exports with it"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "export.rds.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "exports" {
  name = "exports"
  role = aws_iam_role.exports.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Action = [
          "s3:PutObject*", "s3:ListBucket", "s3:GetObject*", "s3:DeleteObject*", "s3:GetBucketLocation",
        ]
        Resource = [aws_s3_bucket.exports.arn, "${aws_s3_bucket.exports.arn}/*"]
      },
      {
        Effect   = "Allow"
        Action   = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:ReEncrypt*"]
        Resource = aws_kms_key.exports.arn
      },
    ]
  })
}
