// The calls of take-snapshot and of resolve-upgrade, as a function for Lambda's runtime API.

import http from "node:http";
import {
  RDSClient,
  DescribeDBClustersCommand,
  DescribeDBClusterSnapshotsCommand,
  paginateDescribeDBEngineVersions,
  paginateDescribeDBInstances,
} from "@aws-sdk/client-rds";
import { S3Client, GetObjectCommand } from "@aws-sdk/client-s3";

const handler = process.env._HANDLER;
const rds = new RDSClient({});
const s3 = handler === "resolve-upgrade" ? new S3Client({ forcePathStyle: true }) : undefined;

async function members(cluster) {
  const Filters = [{ Name: "db-cluster-id", Values: [cluster] }];
  let found = 0;
  for await (const page of paginateDescribeDBInstances({ client: rds }, { Filters })) {
    found += page.DBInstances.length;
  }
  return found;
}

// How many versions each version can be upgraded to.
async function upgrades() {
  const found = {};
  const all = { Engine: "aurora-postgresql", IncludeAll: true };
  for await (const page of paginateDescribeDBEngineVersions({ client: rds }, all)) {
    for (const { EngineVersion, ValidUpgradeTarget } of page.DBEngineVersions) {
      found[EngineVersion] = ValidUpgradeTarget?.length ?? 0;
    }
  }
  return found;
}

// The execution that an object of the run bucket names, or none.
async function execution(Key) {
  try {
    const object = await s3.send(new GetObjectCommand({ Bucket: process.env.RUN_BUCKET, Key }));
    return JSON.parse(await object.Body.transformToString()).execution;
  } catch (error) {
    if (error.name === "NoSuchKey") return null;
    throw error;
  }
}

async function takeSnapshot({ cluster, snapshot }) {
  const found = await rds.send(new DescribeDBClustersCommand({ DBClusterIdentifier: cluster }));
  const snapshots = await rds.send(
    new DescribeDBClusterSnapshotsCommand({ DBClusterSnapshotIdentifier: snapshot }),
  );
  return {
    snapshot: snapshots.DBClusterSnapshots[0].Status,
    version: found.DBClusters[0].EngineVersion,
    members: await members(cluster),
  };
}

async function resolveUpgrade({ cluster }) {
  const found = await rds.send(new DescribeDBClustersCommand({ DBClusterIdentifier: cluster }));
  const { DbClusterResourceId, EngineVersion } = found.DBClusters[0];
  return {
    lease: await execution(`leases/${DbClusterResourceId}.json`),
    members: await members(cluster),
    targets: (await upgrades())[EngineVersion],
    rehearsal: await execution(`upgrades/${DbClusterResourceId}/rehearsal.json`),
  };
}

const handle = { "take-snapshot": takeSnapshot, "resolve-upgrade": resolveUpgrade }[handler];
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true });

function ask(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, method, path, agent }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

// A bundle for CommonJS has no await outside of a function.
async function serve() {
  for (;;) {
    const { headers, body } = await ask("GET", "/2018-06-01/runtime/invocation/next");
    const answer = JSON.stringify(await handle(JSON.parse(body).input));
    const id = headers["lambda-runtime-aws-request-id"];
    await ask("POST", `/2018-06-01/runtime/invocation/${id}/response`, answer);
  }
}

serve();
