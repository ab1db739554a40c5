output "arn" {
  description = "The role's ARN, once its policy stands."
  value       = aws_iam_role.this.arn
  depends_on  = [aws_iam_role_policy.this]
}
