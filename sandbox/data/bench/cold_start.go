// The calls of take-snapshot and of resolve-upgrade, as a function for Lambda's runtime API.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

type input struct {
	Cluster  string `json:"cluster"`
	Snapshot string `json:"snapshot"`
}

type handler struct {
	rds *rds.Client
	s3  *s3.Client
}

func (h handler) takeSnapshot(ctx context.Context, in input) (any, error) {
	found, err := h.rds.DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: &in.Cluster})
	if err != nil {
		return nil, err
	}
	snapshots, err := h.rds.DescribeDBClusterSnapshots(ctx, &rds.DescribeDBClusterSnapshotsInput{
		DBClusterSnapshotIdentifier: &in.Snapshot,
	})
	if err != nil {
		return nil, err
	}
	status, version := snapshots.DBClusterSnapshots[0].Status, found.DBClusters[0].EngineVersion
	return map[string]any{"snapshot": status, "version": version}, nil
}

func (h handler) resolveUpgrade(ctx context.Context, in input) (any, error) {
	found, err := h.rds.DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: &in.Cluster})
	if err != nil {
		return nil, err
	}
	cluster := found.DBClusters[0]
	bucket, key := os.Getenv("RUN_BUCKET"), "leases/"+*cluster.DbClusterResourceId+".json"
	object, err := h.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer object.Body.Close()
	var lease struct {
		Execution string `json:"execution"`
	}
	if err := json.NewDecoder(object.Body).Decode(&lease); err != nil {
		return nil, err
	}
	for _, member := range cluster.DBClusterMembers {
		_, err := h.rds.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{
			DBInstanceIdentifier: member.DBInstanceIdentifier,
		})
		if err != nil {
			return nil, err
		}
	}
	return map[string]any{"lease": lease.Execution, "members": len(cluster.DBClusterMembers)}, nil
}

// The SDK reads AWS_ENDPOINT_URL since the end of 2023; Debian's is older, so it is handed over in
// the way that both know.
func clients(ctx context.Context, function string) (handler, error) {
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return handler{}, err
	}
	url := os.Getenv("AWS_ENDPOINT_URL")
	h := handler{rds: rds.NewFromConfig(loaded, func(options *rds.Options) {
		options.EndpointResolver = rds.EndpointResolverFromURL(url)
	})}
	if function == "resolve-upgrade" {
		h.s3 = s3.NewFromConfig(loaded, func(options *s3.Options) {
			options.EndpointResolver = s3.EndpointResolverFromURL(url)
			options.UsePathStyle = true
		})
	}
	return h, nil
}

func answer(ctx context.Context, api string, handle func(context.Context, input) (any, error)) error {
	next, err := http.Get(api + "next")
	if err != nil {
		return err
	}
	defer next.Body.Close()
	var event struct {
		Input input `json:"input"`
	}
	if err := json.NewDecoder(next.Body).Decode(&event); err != nil {
		return err
	}
	output, err := handle(ctx, event.Input)
	if err != nil {
		return err
	}
	body, err := json.Marshal(output)
	if err != nil {
		return err
	}
	id := next.Header.Get("Lambda-Runtime-Aws-Request-Id")
	sent, err := http.Post(api+id+"/response", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	return sent.Body.Close()
}

func main() {
	ctx, function := context.Background(), os.Getenv("_HANDLER")
	h, err := clients(ctx, function)
	if err != nil {
		log.Fatal(err)
	}
	handle := map[string]func(context.Context, input) (any, error){
		"take-snapshot":   h.takeSnapshot,
		"resolve-upgrade": h.resolveUpgrade,
	}[function]
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		if err := answer(ctx, api, handle); err != nil {
			log.Fatal(err)
		}
	}
}
