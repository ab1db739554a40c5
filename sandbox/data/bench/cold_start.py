"""The calls of take-snapshot and of resolve-upgrade, as a function for Lambda's runtime API."""

import http.client
import json
import os

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

HANDLER = os.environ["_HANDLER"]
rds = boto3.client("rds")
if HANDLER == "resolve-upgrade":
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))


def all_of(operation, key, **arguments):
    return [item for page in rds.get_paginator(operation).paginate(**arguments) for item in page[key]]


def take_snapshot(event):
    cluster = rds.describe_db_clusters(DBClusterIdentifier=event["cluster"])["DBClusters"][0]
    found = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=event["snapshot"])
    return {"snapshot": found["DBClusterSnapshots"][0]["Status"], "version": cluster["EngineVersion"]}


def resolve_upgrade(event):
    cluster = rds.describe_db_clusters(DBClusterIdentifier=event["cluster"])["DBClusters"][0]
    key = f"leases/{cluster['DbClusterResourceId']}.json"
    lease = json.load(s3.get_object(Bucket=os.environ["RUN_BUCKET"], Key=key)["Body"])
    members = [
        instance
        for member in cluster["DBClusterMembers"]
        for instance in rds.describe_db_instances(DBInstanceIdentifier=member["DBInstanceIdentifier"])["DBInstances"]
    ]
    return {"lease": lease["execution"], "members": len(members)}


handle = {"take-snapshot": take_snapshot, "resolve-upgrade": resolve_upgrade}[HANDLER]
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = api.getresponse()
    request_id, event = invocation.headers["lambda-runtime-aws-request-id"], json.load(invocation)
    answer = json.dumps(handle(event["input"]))
    api.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", answer)
    api.getresponse().read()
