# A cluster whose members have groups of their own, and whose master password is not managed.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "endpoint" {
  description = "Where the local AWS listens."
  type        = string
}

variable "region" {
  type = string
}

variable "engine_version" {
  type    = string
  default = "16.14"
}

variable "allow_major_version_upgrade" {
  type    = bool
  default = null
}

variable "cluster_group" {
  description = "The DB cluster parameter group; the one below when null."
  type        = string
  default     = null
}

variable "groups" {
  description = "The DB parameter group of each instance; the ones below when empty."
  type        = map(string)
  default     = {}
}

provider "aws" {
  region                      = var.region
  access_key                  = "terraform"
  secret_key                  = "any"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true

  endpoints {
    rds = var.endpoint
  }
}

locals {
  work_mem = { "orders-1" = "32768", "orders-2" = "65536" }
}

resource "aws_rds_cluster_parameter_group" "orders" {
  name        = "orders-16"
  family      = "aurora-postgresql16"
  description = "of the cluster orders"

  parameter {
    name  = "log_min_duration_statement"
    value = "500"
  }
}

resource "aws_db_parameter_group" "orders" {
  for_each    = local.work_mem
  name        = "${each.key}-16"
  family      = "aurora-postgresql16"
  description = "of the instance ${each.key}"

  parameter {
    name  = "work_mem"
    value = each.value
  }
}

resource "aws_rds_cluster" "orders" {
  cluster_identifier              = "orders"
  engine                          = "aurora-postgresql"
  engine_version                  = var.engine_version
  allow_major_version_upgrade     = var.allow_major_version_upgrade
  database_name                   = "shop"
  master_username                 = "postgres"
  master_password                 = "terraform-made-it"
  db_cluster_parameter_group_name = coalesce(var.cluster_group, aws_rds_cluster_parameter_group.orders.name)
  skip_final_snapshot             = true
  apply_immediately               = true
}

resource "aws_rds_cluster_instance" "orders" {
  for_each                = local.work_mem
  identifier              = each.key
  cluster_identifier      = aws_rds_cluster.orders.id
  engine                  = aws_rds_cluster.orders.engine
  engine_version          = aws_rds_cluster.orders.engine_version
  instance_class          = "db.r6g.large"
  db_parameter_group_name = lookup(var.groups, each.key, aws_db_parameter_group.orders[each.key].name)
  apply_immediately       = true
}
