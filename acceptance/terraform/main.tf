# One throw-away cluster, as small as Aurora PostgreSQL has it, for the acceptance program alone.
# docs/acceptance.md says what it costs. Nothing else belongs into this VPC or this cluster.

data "aws_availability_zones" "here" {
  state = "available"
}

locals {
  tags = { Name = var.name, purpose = "aurora-runbooks acceptance, throw-away" }
}

resource "aws_vpc" "this" {
  cidr_block           = "10.99.0.0/24"
  enable_dns_hostnames = true
  tags                 = local.tags
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
  tags   = local.tags
}

resource "aws_subnet" "this" {
  count = 2

  vpc_id            = aws_vpc.this.id
  cidr_block        = cidrsubnet(aws_vpc.this.cidr_block, 2, count.index)
  availability_zone = data.aws_availability_zones.here.names[count.index]
  tags              = local.tags
}

resource "aws_route_table" "this" {
  vpc_id = aws_vpc.this.id
  tags   = local.tags

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.this.id
  }
}

resource "aws_route_table_association" "this" {
  count = 2

  subnet_id      = aws_subnet.this[count.index].id
  route_table_id = aws_route_table.this.id
}

resource "aws_security_group" "this" {
  name        = var.name
  description = "PostgreSQL from the one who runs the acceptance program, and no way out"
  vpc_id      = aws_vpc.this.id
  tags        = local.tags

  ingress {
    description = "PostgreSQL"
    protocol    = "tcp"
    from_port   = 5432
    to_port     = 5432
    cidr_blocks = [var.client]
  }
}

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = aws_subnet.this[*].id
  tags       = local.tags
}

resource "aws_rds_cluster" "this" {
  cluster_identifier          = var.name
  engine                      = "aurora-postgresql"
  engine_version              = var.engine_version
  master_username             = "acceptance"
  manage_master_user_password = true
  db_subnet_group_name        = aws_db_subnet_group.this.name
  vpc_security_group_ids      = [aws_security_group.this.id]
  storage_encrypted           = true
  copy_tags_to_snapshot       = true
  backup_retention_period     = 1
  skip_final_snapshot         = true
  apply_immediately           = true

  # The program tries things on a cluster with this tag only.
  tags = { aurora-runbooks-acceptance = "subject" }

  lifecycle {
    # `--upgrade` changes it.
    ignore_changes = [engine_version]
  }
}

resource "aws_rds_cluster_instance" "this" {
  identifier          = "${var.name}-1"
  cluster_identifier  = aws_rds_cluster.this.id
  engine              = aws_rds_cluster.this.engine
  instance_class      = "db.t4g.medium"
  publicly_accessible = true
  apply_immediately   = true
  tags                = local.tags

  # So that it is reached as soon as it is there, and destroyed before its way out.
  depends_on = [aws_route_table_association.this]
}
