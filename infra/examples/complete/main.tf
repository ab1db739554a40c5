# All runbooks in the environments' account, production's part in production's account, where exports
# go, and Slack.

terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

# The environments' account: the credentials that Terraform runs with.
provider "aws" {
  region = var.region
}

provider "aws" {
  alias   = "production"
  region  = var.region
  profile = var.production_profile
}

data "aws_caller_identity" "home" {}
data "aws_caller_identity" "production" {
  provider = aws.production
}

module "production" {
  source    = "../../modules/production-account"
  providers = { aws = aws.production }

  home_account     = data.aws_caller_identity.home.account_id
  cluster_key_arns = var.production_cluster_key_arns
  event_bus        = { arn = module.runbooks.event_bus_arn }
}

# What encrypts the quarantine and the targets: the policy file's `kms-key`.
resource "aws_kms_key" "environments" {
  #checkov:skip=CKV2_AWS_64:The default policy leaves it to IAM.
  description         = "aurora-runbooks: the quarantine and the targets"
  enable_key_rotation = true
}

resource "aws_kms_alias" "environments" {
  name          = "alias/aurora-runbooks-environments"
  target_key_id = aws_kms_key.environments.key_id
}

module "runbooks" {
  source = "../.."

  runbooks                  = ["major-upgrade", "rehearse-upgrade", "upgrade-fleet", "daily-sync", "snapshot-export"]
  package                   = var.package
  architecture              = var.architecture
  image_tag                 = var.image_tag
  vpc_id                    = var.vpc_id
  worker_subnet_ids         = var.worker_subnet_ids
  vpc_endpoints             = true
  run_bucket                = var.run_bucket
  policy_file               = var.policy_file
  copy_key_arns             = [module.production.copy_key_arn]
  cluster_key_arns          = [aws_kms_key.environments.arn]
  export_key_arns           = [aws_kms_key.exports.arn]
  production_event_accounts = [data.aws_caller_identity.production.account_id]
  alarm_topic_arns          = var.alarm_topic_arns
  slack_webhook_url         = var.slack_webhook_url
}
