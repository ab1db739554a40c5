output "command" {
  description = "What to type next. PGSSLROOTCERT names the file with RDS's certificate authorities."
  value = join(" ", [
    "cargo run --bin acceptance --",
    "--account ${var.account}",
    "--region ${var.region}",
    "--cluster ${aws_rds_cluster.this.cluster_identifier}",
    "--role ${aws_iam_role.tries.arn}",
  ])
}
