# The smallest useful installation: major-upgrade in the account and the VPC of the clusters.

terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

provider "aws" {
  region = var.region
}

module "runbooks" {
  source = "../.."

  runbooks          = ["major-upgrade"]
  package           = var.package
  architecture      = var.architecture
  image_tag         = var.image_tag
  vpc_id            = var.vpc_id
  worker_subnet_ids = var.worker_subnet_ids
  run_bucket        = var.run_bucket
}
