variable "region" {
  description = "The region of the clusters."
  type        = string
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
  description = "The VPC of the clusters."
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
