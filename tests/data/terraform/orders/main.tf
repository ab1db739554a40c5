# A cluster as people write one: groups of its own, a port, windows, tags.

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

variable "port" {
  type    = number
  default = 5432
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

resource "aws_rds_cluster_parameter_group" "orders" {
  name        = "orders-16"
  family      = "aurora-postgresql16"
  description = "of the cluster orders"

  parameter {
    name  = "log_duration"
    value = "1"
  }

  parameter {
    name         = "rds.logical_replication"
    value        = "1"
    apply_method = "pending-reboot"
  }
}

resource "aws_db_parameter_group" "orders" {
  name        = "orders-instance-16"
  family      = "aurora-postgresql16"
  description = "of the instances of orders"

  parameter {
    name  = "temp_file_limit"
    value = "1048576"
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
  port                            = var.port
  db_cluster_parameter_group_name = aws_rds_cluster_parameter_group.orders.name
  backup_retention_period         = 7
  preferred_backup_window         = "02:00-03:00"
  preferred_maintenance_window    = "Sun:04:00-Sun:05:00"
  copy_tags_to_snapshot           = true
  storage_type                    = "aurora-iopt1"
  skip_final_snapshot             = true
  apply_immediately               = true

  serverlessv2_scaling_configuration {
    min_capacity = 0.5
    max_capacity = 4
  }

  tags = {
    team = "shop"
  }
}

resource "aws_rds_cluster_instance" "orders" {
  count                   = 2
  identifier              = "orders-${count.index + 1}"
  cluster_identifier      = aws_rds_cluster.orders.id
  engine                  = aws_rds_cluster.orders.engine
  engine_version          = aws_rds_cluster.orders.engine_version
  instance_class          = count.index == 0 ? "db.r6g.large" : "db.serverless"
  db_parameter_group_name = aws_db_parameter_group.orders.name
  promotion_tier          = count.index
  apply_immediately       = true
}

output "endpoint" {
  value = aws_rds_cluster.orders.endpoint
}
