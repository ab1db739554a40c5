variable "name" {
  description = "The role's name in iam/roles."
  type        = string
}

variable "role" {
  description = "Who has it, and which actions it allows in which scope."
  type = object({
    trust = string
    allow = map(list(string))
  })
}

variable "variables" {
  description = "What fills the placeholders of iam/scopes.json and iam/trust.json."
  type        = map(string)
}

variable "organization_id" {
  description = "The organization that whoever assumes the role has to belong to."
  type        = string
  default     = null
}

variable "permissions_boundary_arn" {
  description = "A permissions boundary."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the role."
  type        = map(string)
  default     = {}
}
