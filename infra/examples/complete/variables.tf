variable "region" {
  description = "The region of the clusters."
  type        = string
}

variable "production_profile" {
  description = "The profile of the AWS CLI for production's account."
  type        = string
}

variable "production_cluster_key_arns" {
  description = "The keys that encrypt production's clusters."
  type        = list(string)
}

variable "package" {
  description = "The zip of the functions: `file`, or `url` and `sha256`."
  type = object({
    file   = optional(string)
    url    = optional(string)
    sha256 = optional(string)
  })
}

variable "architecture" {
  description = "What the zip and the image are built for."
  type        = string
  default     = "arm64"
}

variable "image_tag" {
  description = "The tag of the workers' image."
  type        = string
}

variable "vpc_id" {
  description = "The VPC of the environments' clusters."
  type        = string
}

variable "worker_subnet_ids" {
  description = "Private subnets of it."
  type        = list(string)
}

variable "run_bucket" {
  description = "Name of the run bucket."
  type        = string
  default     = null
}

variable "export_bucket" {
  description = "Name of the bucket of exports: the policy file's `bucket`."
  type        = string
}

variable "policy_file" {
  description = "Path of the policy file."
  type        = string
}

variable "slack_webhook_url" {
  description = "The incoming webhook of Slack."
  type        = string
  sensitive   = true
}

variable "alarm_topic_arns" {
  description = "SNS topics that alarms go to. CloudWatch cannot publish to one that aws/sns encrypts."
  type        = list(string)
  default     = []
}
