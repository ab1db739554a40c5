//! The services that a Task can call, and the names that its Arguments may have.
//!
//! https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    LambdaInvoke,
    LambdaInvokeWaitForTaskToken,
    EcsRunTaskWaitForTaskToken,
    StatesStartExecutionSync,
    EventsPutEvents,
    SsmGetCalendarState,
}

const NAMES: [(&str, Resource); 6] = [
    ("arn:aws:states:::lambda:invoke", Resource::LambdaInvoke),
    ("arn:aws:states:::lambda:invoke.waitForTaskToken", Resource::LambdaInvokeWaitForTaskToken),
    ("arn:aws:states:::aws-sdk:ssm:getCalendarState", Resource::SsmGetCalendarState),
    ("arn:aws:states:::ecs:runTask.waitForTaskToken", Resource::EcsRunTaskWaitForTaskToken),
    ("arn:aws:states:::states:startExecution.sync:2", Resource::StatesStartExecutionSync),
    ("arn:aws:states:::events:putEvents", Resource::EventsPutEvents),
];

impl Resource {
    pub fn named(arn: &str) -> Option<Self> {
        NAMES.iter().find(|(name, _)| *name == arn).map(|(_, resource)| *resource)
    }

    pub fn waits_for_token(self) -> bool {
        matches!(self, Self::LambdaInvokeWaitForTaskToken | Self::EcsRunTaskWaitForTaskToken)
    }

    /// For more than the answer of the call.
    pub fn waits(self) -> bool {
        self.waits_for_token() || self == Self::StatesStartExecutionSync
    }

    /// `resourceType` and `resource` of the history events.
    pub fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::LambdaInvoke => ("lambda", "invoke"),
            Self::LambdaInvokeWaitForTaskToken => ("lambda", "invoke.waitForTaskToken"),
            Self::SsmGetCalendarState => ("aws-sdk:ssm", "getCalendarState"),
            Self::EcsRunTaskWaitForTaskToken => ("ecs", "runTask.waitForTaskToken"),
            Self::StatesStartExecutionSync => ("states", "startExecution.sync:2"),
            Self::EventsPutEvents => ("events", "putEvents"),
        }
    }

    /// The service refuses others when the machine is created. Those of the APIs in PascalCase:
    /// lambda/2015-03-31 Invoke without ClientContext and InvocationType (a Task here waits for the
    /// answer), ecs/2014-11-13 RunTask, stepfunctions/2016-11-23 StartExecution,
    /// events/2015-10-07 PutEvents, ssm/2014-11-06 GetCalendarState (botocore).
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::LambdaInvoke | Self::LambdaInvokeWaitForTaskToken => {
                &["FunctionName", "LogType", "Payload", "Qualifier"]
            }
            Self::SsmGetCalendarState => &["AtTime", "CalendarNames"],
            Self::EcsRunTaskWaitForTaskToken => &[
                "CapacityProviderStrategy",
                "ClientToken",
                "Cluster",
                "Count",
                "EnableECSManagedTags",
                "EnableExecuteCommand",
                "Group",
                "LaunchType",
                "NetworkConfiguration",
                "Overrides",
                "PlacementConstraints",
                "PlacementStrategy",
                "PlatformVersion",
                "PropagateTags",
                "ReferenceId",
                "StartedBy",
                "Tags",
                "TaskDefinition",
                "VolumeConfigurations",
            ],
            Self::StatesStartExecutionSync => &["StateMachineArn", "Input", "Name", "TraceHeader"],
            Self::EventsPutEvents => &["Entries", "EndpointId"],
        }
    }

    /// Those without which it cannot be called.
    pub fn required(self) -> &'static [&'static str] {
        match self {
            Self::LambdaInvoke | Self::LambdaInvokeWaitForTaskToken => &["FunctionName"],
            Self::SsmGetCalendarState => &["CalendarNames"],
            Self::EcsRunTaskWaitForTaskToken => &["TaskDefinition"],
            Self::StatesStartExecutionSync => &["StateMachineArn"],
            Self::EventsPutEvents => &["Entries"],
        }
    }
}
