variable "account" {
  description = "The number of the account in which this may be tried. Another one is refused."
  type        = string
}

variable "region" {
  description = "The Region in which this may be tried."
  type        = string
}

variable "client" {
  description = "The address from which PostgreSQL is reached, as a CIDR block: 203.0.113.7/32."
  type        = string

  validation {
    condition     = can(cidrhost(var.client, 0)) && try(tonumber(split("/", var.client)[1]), 0) >= 24
    error_message = "Give a CIDR block of /24 or smaller: the cluster has a public address."
  }
}

variable "name" {
  description = "The cluster's identifier; everything is called by it."
  type        = string
  default     = "acceptance"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,28}[a-z0-9]$", var.name))
    error_message = "Give 2 to 30 small letters, digits and hyphens, first a letter."
  }
}

variable "engine_version" {
  description = "A version that is not the Region's default and has a later major to go to."
  type        = string
  default     = "16.11"
}
