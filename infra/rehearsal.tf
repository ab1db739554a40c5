# Where the clone of a rehearsal stands: the workers' subnets, and a security group that lets only
# the workers in and nothing out (docs/policy.md, The quarantine).

locals {
  rehearses = contains(var.runbooks, "rehearse-upgrade")
}

resource "aws_db_subnet_group" "rehearsal" {
  count = local.rehearses ? 1 : 0

  name        = "${var.name}-rehearsal"
  description = "Clones that upgrades are rehearsed on"
  subnet_ids  = var.worker_subnet_ids
  tags        = var.tags

  lifecycle {
    # DBSubnetGroupDoesNotCoverEnoughAZs (botocore rds 2014-10-31, CreateDBSubnetGroup).
    precondition {
      condition     = length(distinct(data.aws_subnet.worker[*].availability_zone)) > 1
      error_message = "worker_subnet_ids: rehearse-upgrade needs subnets in two zones."
    }
  }
}

resource "aws_security_group" "rehearsal" {
  #checkov:skip=CKV2_AWS_5:CloneCluster gives it to the clone of a rehearsal.
  count = local.rehearses ? 1 : 0

  name        = "${var.name}-rehearsal"
  description = "Clones that upgrades are rehearsed on: in for the workers, out for nobody"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-rehearsal" })
}

resource "aws_vpc_security_group_ingress_rule" "rehearsal" {
  for_each = toset([for port in var.database_ports : tostring(port) if local.rehearses])

  security_group_id            = aws_security_group.rehearsal[0].id
  description                  = "PostgreSQL, for the workers"
  referenced_security_group_id = aws_security_group.workers.id
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
}
