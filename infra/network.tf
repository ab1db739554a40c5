# Where the workers run: private subnets of the clusters' VPC, with a security group that nobody
# gets into.

data "aws_vpc" "this" {
  id = var.vpc_id
}

data "aws_subnet" "worker" {
  count = length(var.worker_subnet_ids)
  id    = var.worker_subnet_ids[count.index]

  lifecycle {
    postcondition {
      condition     = self.vpc_id == var.vpc_id
      error_message = "worker_subnet_ids: ${self.id} is a subnet of ${self.vpc_id} and not of vpc_id."
    }
    postcondition {
      condition     = !self.map_public_ip_on_launch
      error_message = "worker_subnet_ids: ${self.id} gives public addresses; workers run in private subnets."
    }
  }
}

data "aws_route_tables" "worker" {
  count = length(var.worker_subnet_ids)

  filter {
    name   = "association.subnet-id"
    values = [var.worker_subnet_ids[count.index]]
  }
}

locals {
  has_own_table = [for tables in data.aws_route_tables.worker : length(tables.ids) > 0]
}

# A subnet without a table of its own has the VPC's main one.
data "aws_route_table" "worker" {
  count  = length(var.worker_subnet_ids)
  vpc_id = var.vpc_id

  filter {
    name   = local.has_own_table[count.index] ? "association.subnet-id" : "association.main"
    values = [local.has_own_table[count.index] ? var.worker_subnet_ids[count.index] : "true"]
  }

  lifecycle {
    postcondition {
      condition = alltrue([for route in self.routes : !startswith(route.gateway_id, "igw-")])
      error_message = join(" ", [
        "worker_subnet_ids: ${var.worker_subnet_ids[count.index]} is a public subnet,",
        "for its route table ${self.id} leads to an internet gateway; workers run in private subnets.",
      ])
    }
  }
}

resource "aws_security_group" "workers" {
  #checkov:skip=CKV2_AWS_5:Step Functions names it when it starts a task.
  name        = "${var.name}-workers"
  description = "Workers of aurora-runbooks: out to clusters and to AWS, nobody in"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-workers" })
}

locals {
  database_cidrs = length(var.database_cidrs) > 0 ? var.database_cidrs : [data.aws_vpc.this.cidr_block]
  # Named by their place, for a VPC that the same plan makes has no addresses yet.
  databases = merge([
    for at, cidr in local.database_cidrs : {
      for port in var.database_ports : "${at}-${port}" => { cidr = cidr, port = port }
    }
  ]...)
}

resource "aws_vpc_security_group_egress_rule" "databases" {
  for_each = local.databases

  security_group_id = aws_security_group.workers.id
  description       = "PostgreSQL"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

# S3 has no address in the VPC, even with an endpoint: its gateway is a route.
resource "aws_vpc_security_group_egress_rule" "aws" {
  security_group_id = aws_security_group.workers.id
  description       = "AWS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

locals {
  # What a worker calls, and what Fargate calls for it: the image and the log.
  called              = ["ec2", "ecr.api", "ecr.dkr", "logs", "rds", "secretsmanager", "states"]
  interface_endpoints = toset([for service in local.called : service if var.vpc_endpoints])
}

resource "aws_security_group" "endpoints" {
  #checkov:skip=CKV2_AWS_5:The endpoints below have it.
  count       = var.vpc_endpoints ? 1 : 0
  name        = "${var.name}-endpoints"
  description = "VPC endpoints of aurora-runbooks: everybody in the VPC"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-endpoints" })
}

# With private DNS the whole VPC resolves these services' names to the endpoints (botocore ec2
# 2016-11-15, CreateVpcEndpoint, PrivateDnsEnabled): who is not let in here is cut off from them.
resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  for_each = toset([
    for block in data.aws_vpc.this.cidr_block_associations : block.cidr_block if var.vpc_endpoints
  ])

  security_group_id = aws_security_group.endpoints[0].id
  description       = "The VPC"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.interface_endpoints

  vpc_id              = var.vpc_id
  service_name        = "com.amazonaws.${local.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = var.worker_subnet_ids
  security_group_ids  = [aws_security_group.endpoints[0].id]
  tags                = merge(var.tags, { Name = "${var.name}-${each.key}" })
}

resource "aws_vpc_endpoint" "s3" {
  count = var.vpc_endpoints ? 1 : 0

  vpc_id            = var.vpc_id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = distinct(data.aws_route_table.worker[*].id)
  tags              = merge(var.tags, { Name = "${var.name}-s3" })
}
