"""What the tests of the Terraform module ask a control plane that is not ours.

    control_plane.py <url> network   makes a VPC with private, public and foreign subnets
    control_plane.py <url> read      prints all that is deployed, as JSON
    control_plane.py <url> left      prints the names of what a destroy has left
"""

import json
import sys

import boto3

HOME, PRODUCTION, REGION = "444455556666", "111122223333", "eu-west-1"
NAME = "aurora-runbooks"


def client(url, service, account=HOME):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        # The control plane takes an access key of twelve digits for the account.
        aws_access_key_id=account,
        aws_secret_access_key="any",
    )


def network(url):
    ec2 = client(url, "ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    elsewhere = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]

    def subnet(of, cidr, zone="a"):
        made = ec2.create_subnet(VpcId=of, CidrBlock=cidr, AvailabilityZone=REGION + zone)
        return made["Subnet"]["SubnetId"]

    private = [subnet(vpc, "10.0.1.0/24"), subnet(vpc, "10.0.2.0/24", "b")]
    public = subnet(vpc, "10.0.3.0/24", "b")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.associate_route_table(RouteTableId=table, SubnetId=public)
    foreign = subnet(elsewhere, "10.1.1.0/24", "b")
    return {"vpc": vpc, "private": private, "public": public, "foreign": foreign}


def machines(url):
    states = client(url, "stepfunctions")
    for machine in states.list_state_machines()["stateMachines"]:
        arn = machine["stateMachineArn"]
        found = states.describe_state_machine(stateMachineArn=arn)
        aliases = states.list_state_machine_aliases(stateMachineArn=arn)["stateMachineAliases"]
        logging = found["loggingConfiguration"]
        yield {
            "name": found["name"],
            "definition": found["definition"],
            "role": found["roleArn"],
            "log_level": logging["level"],
            "execution_data": logging.get("includeExecutionData", False),
            "aliases": [alias["stateMachineAliasArn"].rsplit(":", 1)[1] for alias in aliases],
        }


def functions(url):
    service = client(url, "lambda")
    for function in service.list_functions()["Functions"]:
        name = function["FunctionName"]
        try:
            policy = json.loads(service.get_policy(FunctionName=name)["Policy"])["Statement"]
        except service.exceptions.ResourceNotFoundException:
            policy = []
        yield {
            "name": name,
            "arn": function["FunctionArn"],
            "handler": function["Handler"],
            "runtime": function["Runtime"],
            "architectures": function["Architectures"],
            "timeout": function["Timeout"],
            "role": function["Role"],
            "environment": function["Environment"]["Variables"],
            "policy": policy,
        }


def workers(url):
    ecs = client(url, "ecs")
    for arn in ecs.list_task_definitions(status="ACTIVE")["taskDefinitionArns"]:
        task = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        [container] = task["containerDefinitions"]
        yield {
            "family": task["family"],
            "task_role": task["taskRoleArn"],
            "execution_role": task["executionRoleArn"],
            "network_mode": task["networkMode"],
            "architecture": task["runtimePlatform"]["cpuArchitecture"],
            "name": container["name"],
            "image": container["image"],
            "command": container["command"],
            "read_only": container["readonlyRootFilesystem"],
            "environment": {one["name"]: one["value"] for one in container["environment"]},
        }


def roles(url, account):
    iam = client(url, "iam", account)
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        policies = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]["Statement"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ]
        yield {
            "arn": role["Arn"],
            "trust": role["AssumeRolePolicyDocument"]["Statement"],
            "policy": [statement for policy in policies for statement in policy],
        }


def rules(url, account):
    events = client(url, "events", account)
    buses = [bus["Name"] for bus in events.list_event_buses()["EventBuses"]]
    on_buses = [rule for bus in buses for rule in events.list_rules(EventBusName=bus)["Rules"]]
    for rule in on_buses:
        targets = events.list_targets_by_rule(Rule=rule["Name"], EventBusName=rule["EventBusName"])["Targets"]
        yield {
            "account": account,
            "name": rule["Name"],
            "description": rule["Description"],
            "bus": rule["EventBusName"],
            "pattern": json.loads(rule["EventPattern"]) if rule.get("EventPattern") else None,
            "schedule": rule.get("ScheduleExpression"),
            "targets": [
                {
                    "id": target["Id"],
                    "arn": target["Arn"],
                    "role": target.get("RoleArn"),
                    "dead_letters": target.get("DeadLetterConfig", {}).get("Arn"),
                    "path": target.get("InputPath"),
                    "paths": target.get("InputTransformer", {}).get("InputPathsMap"),
                    "input": target.get("Input"),
                    "template": target.get("InputTransformer", {}).get("InputTemplate"),
                }
                for target in targets
            ],
        }


def schedules(url):
    scheduler = client(url, "scheduler")
    for schedule in scheduler.list_schedules()["Schedules"]:
        found = scheduler.get_schedule(GroupName=schedule["GroupName"], Name=schedule["Name"])
        yield {
            "name": found["Name"],
            "group": found["GroupName"],
            "expression": found["ScheduleExpression"],
            "zone": found["ScheduleExpressionTimezone"],
            "state": found["State"],
            "arn": found["Target"]["Arn"],
            "input": found["Target"]["Input"],
            "role": found["Target"]["RoleArn"],
            "dead_letters": found["Target"]["DeadLetterConfig"]["Arn"],
        }


def keys(url, account):
    kms = client(url, "kms", account)
    for alias in kms.list_aliases()["Aliases"]:
        if alias["AliasName"].startswith("alias/aws/") or "TargetKeyId" not in alias:
            continue
        key = kms.describe_key(KeyId=alias["TargetKeyId"])["KeyMetadata"]
        policy = kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]
        yield {
            "arn": key["Arn"],
            "alias": alias["AliasName"],
            "policy": json.loads(policy)["Statement"],
        }


def buckets(url):
    s3 = client(url, "s3")
    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        # The one of an example's exports is not the module's.
        if not name.startswith("aurora-runbooks"):
            continue
        rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        objects = s3.list_objects_v2(Bucket=name).get("Contents", [])
        yield {
            "name": name,
            "policy": json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"],
            "key": rules[0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"],
            "versioning": s3.get_bucket_versioning(Bucket=name).get("Status"),
            "objects": {
                found["Key"]: s3.get_object(Bucket=name, Key=found["Key"])["Body"].read().decode()
                for found in objects
            },
        }


def read(url):
    both = [HOME, PRODUCTION]
    return {
        "machines": list(machines(url)),
        "functions": list(functions(url)),
        "workers": list(workers(url)),
        "roles": [role for account in both for role in roles(url, account)],
        "rules": [rule for account in both for rule in rules(url, account)],
        "schedules": list(schedules(url)),
        "keys": [key for account in both for key in keys(url, account)],
        "buckets": list(buckets(url)),
    }


def left(url):
    """Deleted keys wait for their window, and the network is not the module's."""
    found = read(url)
    del found["keys"]
    queues = client(url, "sqs").list_queues().get("QueueUrls", [])
    groups = client(url, "logs").describe_log_groups()["logGroups"]
    alarms = client(url, "cloudwatch").describe_alarms()["MetricAlarms"]
    names = [one.get("name") or one.get("family") or one.get("arn") for many in found.values() for one in many]
    return names + queues + [group["logGroupName"] for group in groups] + [alarm["AlarmName"] for alarm in alarms]


if __name__ == "__main__":
    _, where, what = sys.argv
    print(json.dumps({"network": network, "read": read, "left": left}[what](where), indent=1))
