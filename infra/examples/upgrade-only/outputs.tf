output "console" {
  description = "Where to start an upgrade."
  value       = module.runbooks.console
}

output "start" {
  description = "The command that starts an upgrade."
  value       = module.runbooks.start
}

output "image_repository_url" {
  description = "Where the workers' image is pushed to."
  value       = module.runbooks.image_repository_url
}

output "worker_security_group_id" {
  description = "To be let into the clusters' security groups."
  value       = module.runbooks.worker_security_group_id
}
