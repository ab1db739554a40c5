//! Once in some thousand calls the control plane's answer is lost, and the provider asks again:
//! what it made is there already, what it deleted is gone.

use super::terraform::Terraform;

/// What is there already is no success to the provider: whoever applies imports it and goes on.
pub async fn apply(terraform: &Terraform) {
    loop {
        let applied = terraform.apply().await;
        let Some((address, name)) = already_there(&applied.said) else {
            applied.succeeded();
            return;
        };
        terraform.run(&["import", "-input=false", address, name]).await.succeeded();
    }
}

/// The address in the configuration, and the name, of what was there already.
fn already_there(said: &str) -> Option<(&str, &str)> {
    // Those that are imported by the name in the error.
    let kinds = [
        ("CloudWatch Logs Log Group", "ResourceAlreadyExistsException"),
        ("ECR Repository", "RepositoryAlreadyExistsException"),
        ("IAM Role", "EntityAlreadyExists"),
        ("KMS Alias", "AlreadyExistsException"),
        ("Lambda Function", "ResourceConflictException"),
    ];
    kinds.into_iter().find_map(|(kind, code)| {
        let (_, error) = said.split_once(&format!("Error: creating {kind} ("))?;
        let (name, error) = error.split_once(')')?;
        let (error, rest) = error.split_once("\n\n")?;
        let address = rest.trim_start().strip_prefix("with ")?.split_once(",\n")?.0;
        error.contains(code).then_some((address, name))
    })
}

/// What has already been deleted is gone, which most of the provider's resources take for done. A
/// state machine's does not: at AWS there is no such error
/// (https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachine.html#API_DeleteStateMachine_Errors),
/// and MiniStack has one. Destroying again ends it.
pub async fn destroy(terraform: &Terraform) {
    let arguments = ["destroy", "-auto-approve", "-input=false"];
    let mut destroyed = terraform.run(&arguments).await;
    if is_gone_already(&destroyed.said) {
        destroyed = terraform.run(&arguments).await;
    }
    destroyed.succeeded();
}

/// Whether all that did not end well is a state machine that was not there any more.
fn is_gone_already(said: &str) -> bool {
    let mut errors = said.split("\nError: ").skip(1).peekable();
    errors.peek().is_some()
        && errors.all(|error| {
            error.starts_with("deleting Step Functions State Machine (")
                && error.contains("StateMachineDoesNotExist")
        })
}

#[test]
fn what_is_there_already_is_read_from_what_terraform_says() {
    let role = "module.x: Creation complete\n\nError: creating IAM Role (aurora-runbooks-source): operation \
        error IAM: CreateRole, https response error StatusCode: 409, EntityAlreadyExists: Role with name \
        aurora-runbooks-source already exists.\n\n  with \
        module.production.module.role[\"source\"].aws_iam_role.this,\n  on ../../main.tf line 39";
    let address = "module.production.module.role[\"source\"].aws_iam_role.this";
    assert_eq!(already_there(role), Some((address, "aurora-runbooks-source")));
    assert_eq!(already_there(&role.replace("EntityAlreadyExists", "LimitExceeded")), None);
    assert_eq!(already_there("Apply complete! Resources: 118 added, 0 changed, 0 destroyed."), None);
    let function = "\nError: creating Lambda Function (aurora-runbooks-ask-approval): operation error \
        Lambda: CreateFunction, https response error StatusCode: 409, RequestID: 1, \
        ResourceConflictException: Function already exist: aurora-runbooks-ask-approval\n\n  with \
        module.runbooks.aws_lambda_function.this[\"ask-approval\"],\n  on ../../functions.tf line 36";
    let address = "module.runbooks.aws_lambda_function.this[\"ask-approval\"]";
    assert_eq!(already_there(function), Some((address, "aurora-runbooks-ask-approval")));
}

#[test]
fn a_machine_that_is_gone_already_is_read_from_what_terraform_says() {
    let machine = "arn:aws:states:eu-west-1:444455556666:stateMachine:aurora-runbooks-major-upgrade";
    let gone = format!(
        "Destruction complete after 1s\n\nError: deleting Step Functions State Machine ({machine}): \
         operation error SFN: DeleteStateMachine, https response error StatusCode: 400, RequestID: 1, \
         api error StateMachineDoesNotExist: State machine {machine} not found\n\n"
    );
    assert!(is_gone_already(&gone));
    assert!(!is_gone_already("Destroy complete! Resources: 118 destroyed."));
    let another = "Error: deleting SQS Queue (dead-letters): AccessDenied\n\n";
    assert!(!is_gone_already(&format!("{gone}{another}")));
}
