"""The life of a cluster as boto3 and the AWS CLI see it, unmodified, against the endpoint in AWS_ENDPOINT_URL.

Every value is asserted after boto3 has parsed it: what no SDK can read fails here. A minute of the sandbox is a second, so the waiters
look every second.
"""

import json
import subprocess
import sys
import time
from datetime import datetime, timedelta

import boto3
from botocore.exceptions import ClientError

ACCOUNT, REGION = "444455556666", "eu-west-1"
BUCKET = "aurora-runbooks-runs"
CLUSTER, INSTANCE, GROUP, SNAPSHOT, COPY = "clients", "clients-1", "clients-pg16", "clients-by-hand", "clients-restored"

rds = boto3.client("rds")


def equal(what, found, expected):
    assert found == expected, f"{what}: {found!r}, not {expected!r}"


def has(what, found, part):
    assert part in found, f"{what}: {part!r} is not in {found!r}"


def refused(error, call, **arguments):
    """The call fails with this error, as a class that the client knows."""
    try:
        call(**arguments)
    except ClientError as caught:
        equal("the error", caught.response["Error"]["Code"], error)
        return caught
    raise AssertionError(f"{error} was expected from {call.__name__}({arguments})")


def wait(waiter, **arguments):
    rds.get_waiter(waiter).wait(**arguments, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def until(what, look):
    for _ in range(120):
        if found := look():
            return found
        time.sleep(0.25)
    raise AssertionError(f"{what} did not happen within 30 s")


def cluster(name=CLUSTER):
    (found,) = rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"]
    return found


def instance():
    (found,) = rds.describe_db_instances(DBInstanceIdentifier=INSTANCE)["DBInstances"]
    return found


def the_caller_is_known():
    identity = boto3.client("sts").get_caller_identity()
    equal("account", identity["Account"], ACCOUNT)


def versions_are_listed():
    paginator = rds.get_paginator("describe_db_engine_versions")
    pages = paginator.paginate(Engine="aurora-postgresql", IncludeAll=True, PaginationConfig={"PageSize": 20})
    versions = {version["EngineVersion"]: version for page in pages for version in page["DBEngineVersions"]}
    default = rds.describe_db_engine_versions(Engine="aurora-postgresql", DefaultOnly=True)["DBEngineVersions"]
    assert [version["EngineVersion"] in versions for version in default] == [True], "the default can run"
    equal("family", versions["16.14"]["DBParameterGroupFamily"], "aurora-postgresql16")
    targets = {target["EngineVersion"]: target["IsMajorVersionUpgrade"] for target in versions["16.14"]["ValidUpgradeTarget"]}
    equal("16.14 to 18.4 is a major upgrade", targets["18.4"], True)


def a_parameter_group_is_made():
    group = {"DBClusterParameterGroupName": GROUP, "DBParameterGroupFamily": "aurora-postgresql16", "Description": "clients"}
    made = rds.create_db_cluster_parameter_group(**group, Tags=[{"Key": "team", "Value": "orders"}])["DBClusterParameterGroup"]
    pages = rds.get_paginator("describe_db_cluster_parameters").paginate(DBClusterParameterGroupName=GROUP)
    assert sum(len(page["Parameters"]) for page in pages) > 340, "all pages of the family"
    value = {"ParameterName": "log_min_duration_statement", "ParameterValue": "750", "ApplyMethod": "immediate"}
    rds.modify_db_cluster_parameter_group(DBClusterParameterGroupName=GROUP, Parameters=[value])
    pages = rds.get_paginator("describe_db_cluster_parameters").paginate(DBClusterParameterGroupName=GROUP, Source="user")
    values = {parameter["ParameterName"]: parameter["ParameterValue"] for page in pages for parameter in page["Parameters"]}
    equal("the values that were set", values, {"log_min_duration_statement": "750"})
    tags = rds.list_tags_for_resource(ResourceName=made["DBClusterParameterGroupArn"])["TagList"]
    equal("tags", tags, [{"Key": "team", "Value": "orders"}])
    refused("DBParameterGroupAlreadyExists", rds.create_db_cluster_parameter_group, **group)
    bad = [value | {"ParameterValue": "soon"}]
    refused("InvalidParameterValue", rds.modify_db_cluster_parameter_group, DBClusterParameterGroupName=GROUP, Parameters=bad)


def a_cluster_is_made():
    asked = {"DBClusterIdentifier": CLUSTER, "Engine": "aurora-postgresql", "EngineVersion": "16.14", "DatabaseName": "shop"}
    asked |= {"MasterUsername": "postgres", "ManageMasterUserPassword": True, "DBClusterParameterGroupName": GROUP}
    made = rds.create_db_cluster(**asked, BackupRetentionPeriod=7)["DBCluster"]
    equal("status", made["Status"], "creating")
    rds.create_db_instance(
        DBInstanceIdentifier=INSTANCE, DBClusterIdentifier=CLUSTER, Engine="aurora-postgresql", DBInstanceClass="db.r6g.large"
    )
    wait("db_cluster_available", DBClusterIdentifier=CLUSTER)
    wait("db_instance_available", DBInstanceIdentifier=INSTANCE)
    found = cluster()
    equal("status", found["Status"], "available")
    equal("version", found["EngineVersion"], "16.14")
    equal("retention", found["BackupRetentionPeriod"], 7)
    equal("resource id", found["DbClusterResourceId"], made["DbClusterResourceId"])
    equal("ARN", found["DBClusterArn"], f"arn:aws:rds:{REGION}:{ACCOUNT}:cluster:{CLUSTER}")
    assert isinstance(found["ClusterCreateTime"], datetime), found["ClusterCreateTime"]
    (member,) = found["DBClusterMembers"]
    equal("member", (member["DBInstanceIdentifier"], member["IsClusterWriter"]), (INSTANCE, True))
    equal("its group", member["DBClusterParameterGroupStatus"], "in-sync")
    equal("class", instance()["DBInstanceClass"], "db.r6g.large")
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=found["MasterUserSecret"]["SecretArn"])
    equal("user", json.loads(secret["SecretString"])["username"], "postgres")
    refused("DBClusterAlreadyExistsFault", rds.create_db_cluster, **asked)
    try:
        cluster("nobody")
    except rds.exceptions.DBClusterNotFoundFault:
        return
    raise AssertionError("a cluster that is not there was described")


def the_cli_sees_it_too():
    def aws(*words):
        done = subprocess.run([sys.executable, "-m", "awscli", *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"aws {' '.join(words)}: {done.stderr}"
        return done.stdout

    # Its waiter looks every 30 s, the first time at once.
    aws("rds", "wait", "db-cluster-available", "--db-cluster-identifier", CLUSTER)
    query = "DBClusters[].[DBClusterIdentifier,EngineVersion,Status]"
    shown = aws("rds", "describe-db-clusters", "--db-cluster-identifier", CLUSTER, "--query", query, "--output", "text")
    equal("what the CLI shows", shown.split(), [CLUSTER, "16.14", "available"])


def it_is_changed():
    rds.modify_db_cluster(DBClusterIdentifier=CLUSTER, BackupRetentionPeriod=3, ApplyImmediately=True)
    until("the new retention", lambda: cluster()["BackupRetentionPeriod"] == 3)
    rds.modify_db_instance(DBInstanceIdentifier=INSTANCE, DBInstanceClass="db.r6g.xlarge", ApplyImmediately=True)
    until("the new class", lambda: instance()["DBInstanceClass"] == "db.r6g.xlarge" and instance()["DBInstanceStatus"] == "available")
    arn = cluster()["DBClusterArn"]
    rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "stage", "Value": "test & more"}])
    equal("tags", rds.list_tags_for_resource(ResourceName=arn)["TagList"], [{"Key": "stage", "Value": "test & more"}])
    major = {"DBClusterIdentifier": CLUSTER, "EngineVersion": "18.4", "ApplyImmediately": True}
    error = refused("InvalidParameterCombination", rds.modify_db_cluster, **major)
    has("why a major version is refused", str(error), "AllowMajorVersionUpgrade")


def maintenance_is_applied():
    """The test that runs this script lets an update be pending."""
    arn = cluster()["DBClusterArn"]

    def pending():
        return rds.describe_pending_maintenance_actions(ResourceIdentifier=arn)["PendingMaintenanceActions"]

    (resource,) = until("maintenance to be pending", pending)
    (action,) = resource["PendingMaintenanceActionDetails"]
    equal("action", (resource["ResourceIdentifier"], action["Action"]), (arn, "os-upgrade"))
    assert isinstance(action["AutoAppliedAfterDate"], datetime), action
    applied = rds.apply_pending_maintenance_action(ResourceIdentifier=arn, ApplyAction="os-upgrade", OptInType="immediate")
    (action,) = applied["ResourcePendingMaintenanceActions"]["PendingMaintenanceActionDetails"]
    equal("opt-in", action["OptInStatus"], "immediate")
    until("maintenance to end", lambda: not pending() and instance()["DBInstanceStatus"] == cluster()["Status"] == "available")


def a_snapshot_is_taken_and_restored():
    made = rds.create_db_cluster_snapshot(DBClusterIdentifier=CLUSTER, DBClusterSnapshotIdentifier=SNAPSHOT)["DBClusterSnapshot"]
    equal("status", (made["Status"], made["PercentProgress"]), ("creating", 0))
    wait("db_cluster_snapshot_available", DBClusterSnapshotIdentifier=SNAPSHOT)
    (taken,) = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=SNAPSHOT, SnapshotType="manual")["DBClusterSnapshots"]
    equal("snapshot", (taken["EngineVersion"], taken["PercentProgress"], taken["MasterUsername"]), ("16.14", 100, "postgres"))
    rds.restore_db_cluster_from_snapshot(
        DBClusterIdentifier=COPY, SnapshotIdentifier=SNAPSHOT, Engine="aurora-postgresql", EngineVersion="16.14"
    )
    wait("db_cluster_available", DBClusterIdentifier=COPY)
    equal("the copy", (cluster(COPY)["EngineVersion"], cluster(COPY)["DBClusterMembers"]), ("16.14", []))
    pages = rds.get_paginator("describe_db_clusters").paginate()
    equal("all clusters", sorted(one["DBClusterIdentifier"] for page in pages for one in page["DBClusters"]), [CLUSTER, COPY])


def log_files_are_read():
    files = rds.describe_db_log_files(DBInstanceIdentifier=INSTANCE, FilenameContains="postgresql.log")["DescribeDBLogFiles"]
    assert files and all(file["Size"] > 0 for file in files), files
    name, marker, text = files[0]["LogFileName"], "0", ""
    while True:
        portion = rds.download_db_log_file_portion(DBInstanceIdentifier=INSTANCE, LogFileName=name, Marker=marker, NumberOfLines=1)
        text, marker = text + portion["LogFileData"], portion["Marker"]
        if not portion["AdditionalDataPending"]:
            break
    has("the log", text, "ready to accept connections")
    equal("its size", len(text.encode()), files[0]["Size"])
    refused("DBLogFileNotFoundFault", rds.download_db_log_file_portion, DBInstanceIdentifier=INSTANCE, LogFileName="error/none.log")


def events_are_listed():
    start = cluster()["ClusterCreateTime"] - timedelta(hours=1)
    for source, name, message in (
        ("db-cluster", CLUSTER, "Cluster operating system upgrade has completed."),
        ("db-cluster-snapshot", SNAPSHOT, "Manual cluster snapshot created"),
    ):
        between = {"StartTime": start, "EndTime": start + timedelta(hours=24)}
        events = rds.describe_events(SourceType=source, SourceIdentifier=name, **between)["Events"]
        has(f"events of {name}", [event["Message"] for event in events], message)
        assert all(isinstance(event["Date"], datetime) for event in events), events


def a_run_with_bad_input_is_refused():
    sfn = boto3.client("stepfunctions")
    (machine,) = [one for one in sfn.list_state_machines()["stateMachines"] if one["name"] == "aurora-runbooks-major-upgrade"]
    described = sfn.describe_state_machine(stateMachineArn=machine["stateMachineArn"])
    equal("first state", json.loads(described["definition"])["StartAt"], "IsRehearsal")
    bad = json.dumps({"cluster": CLUSTER, "target": "19"})
    execution = sfn.start_execution(stateMachineArn=machine["stateMachineArn"], name="bad-input", input=bad)["executionArn"]
    until("the execution to end", lambda: sfn.describe_execution(executionArn=execution)["status"] != "RUNNING")
    ended = sfn.describe_execution(executionArn=execution)
    equal("how it ended", (ended["status"], ended["error"]), ("FAILED", "Refused"))
    has("cause", ended["cause"], "no way from 16.14 to 19")
    assert ended["stopDate"] >= ended["startDate"], ended
    pages = sfn.get_paginator("get_execution_history").paginate(executionArn=execution)
    types = [event["type"] for page in pages for event in page["events"]]
    equal("history", (types[0], types[-1]), ("ExecutionStarted", "ExecutionFailed"))
    listed = sfn.list_executions(stateMachineArn=machine["stateMachineArn"], statusFilter="FAILED")["executions"]
    equal("failed executions", [one["name"] for one in listed], ["bad-input"])


def its_report_is_in_s3():
    s3 = boto3.client("s3")
    key = "runs/bad-input/report.json"

    def report():
        keys = [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET, Prefix="runs/bad-input/").get("Contents", [])]
        found = json.load(s3.get_object(Bucket=BUCKET, Key=key)["Body"]) if key in keys else {}
        return found if found.get("status") == "FAILED" else None

    equal("outcome", until("the report", report)["outcome"], "ResolveUpgrade stopped the run with Refused.")
    equal("type", s3.head_object(Bucket=BUCKET, Key="runs/bad-input/report.html")["ContentType"], "text/html; charset=utf-8")
    s3.put_object(Bucket=BUCKET, Key="notes/mine.txt", Body=b"hello", IfNoneMatch="*")
    equal("object", s3.get_object(Bucket=BUCKET, Key="notes/mine.txt")["Body"].read(), b"hello")
    refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="notes/mine.txt", Body=b"again", IfNoneMatch="*")
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="notes/none.txt")


def everything_is_deleted():
    refused("InvalidDBClusterStateFault", rds.delete_db_cluster, DBClusterIdentifier=CLUSTER, SkipFinalSnapshot=True)
    rds.delete_db_instance(DBInstanceIdentifier=INSTANCE, SkipFinalSnapshot=True)
    wait("db_instance_deleted", DBInstanceIdentifier=INSTANCE)
    for name in (CLUSTER, COPY):
        rds.delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)
    for name in (CLUSTER, COPY):
        wait("db_cluster_deleted", DBClusterIdentifier=name)
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=SNAPSHOT)
    wait("db_cluster_snapshot_deleted", DBClusterSnapshotIdentifier=SNAPSHOT)
    rds.delete_db_cluster_parameter_group(DBClusterParameterGroupName=GROUP)
    equal("clusters left", rds.describe_db_clusters()["DBClusters"], [])


for step in (
    the_caller_is_known, versions_are_listed, a_parameter_group_is_made, a_cluster_is_made, the_cli_sees_it_too, it_is_changed,
    maintenance_is_applied, a_snapshot_is_taken_and_restored, log_files_are_read, events_are_listed, a_run_with_bad_input_is_refused,
    its_report_is_in_s3, everything_is_deleted,
):
    begun = time.monotonic()
    step()
    print(f"{step.__name__} {time.monotonic() - begun:.1f} s", flush=True)
