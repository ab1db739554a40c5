output "source_role_arn" {
  description = "The role that the policy file names as `source.role`."
  value       = module.role["source"].arn
}

output "copy_key_arn" {
  description = "The key of our copies, for `copy_key_arns` of the installation."
  value       = aws_kms_key.copies.arn
}

output "copy_key_alias" {
  description = "What the policy file names as `source.kms-key`."
  value       = aws_kms_alias.copies.name
}
