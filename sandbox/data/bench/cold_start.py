"""The calls of take-snapshot and of resolve-upgrade, as a function for Lambda's runtime API."""

import http.client
import json
import os

import boto3
from botocore.config import Config

HANDLER = os.environ["_HANDLER"]
rds = boto3.client("rds")
if HANDLER == "resolve-upgrade":
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))


def all_of(operation, key, **arguments):
    return [item for page in rds.get_paginator(operation).paginate(**arguments) for item in page[key]]


def members(cluster):
    filters = [{"Name": "db-cluster-id", "Values": [cluster]}]
    return len(all_of("describe_db_instances", "DBInstances", Filters=filters))


def execution(key):
    """The execution that an object of the run bucket names, or none."""
    try:
        return json.load(s3.get_object(Bucket=os.environ["RUN_BUCKET"], Key=key)["Body"])["execution"]
    except s3.exceptions.NoSuchKey:
        return None


def take_snapshot(event):
    cluster = rds.describe_db_clusters(DBClusterIdentifier=event["cluster"])["DBClusters"][0]
    found = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=event["snapshot"])
    return {
        "snapshot": found["DBClusterSnapshots"][0]["Status"],
        "version": cluster["EngineVersion"],
        "members": members(event["cluster"]),
    }


def resolve_upgrade(event):
    cluster = rds.describe_db_clusters(DBClusterIdentifier=event["cluster"])["DBClusters"][0]
    resource = cluster["DbClusterResourceId"]
    lease, found = execution(f"leases/{resource}.json"), members(event["cluster"])
    versions = all_of("describe_db_engine_versions", "DBEngineVersions", Engine="aurora-postgresql", IncludeAll=True)
    targets = {version["EngineVersion"]: len(version["ValidUpgradeTarget"]) for version in versions}
    rehearsal = execution(f"upgrades/{resource}/rehearsal.json")
    return {"lease": lease, "members": found, "targets": targets[cluster["EngineVersion"]], "rehearsal": rehearsal}


handle = {"take-snapshot": take_snapshot, "resolve-upgrade": resolve_upgrade}[HANDLER]
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = api.getresponse()
    request_id, event = invocation.headers["lambda-runtime-aws-request-id"], json.load(invocation)
    answer = json.dumps(handle(event["input"]))
    api.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", answer)
    api.getresponse().read()
