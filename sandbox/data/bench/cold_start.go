// The calls of take-snapshot and of resolve-upgrade, as a function for Lambda's runtime API.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

type input struct {
	Cluster  string `json:"cluster"`
	Snapshot string `json:"snapshot"`
}

type handler struct {
	rds *rds.Client
	s3  *s3.Client
}

func (h handler) members(ctx context.Context, cluster string) (int, error) {
	filter, found := "db-cluster-id", 0
	pages := rds.NewDescribeDBInstancesPaginator(h.rds, &rds.DescribeDBInstancesInput{
		Filters: []types.Filter{{Name: &filter, Values: []string{cluster}}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, err
		}
		found += len(page.DBInstances)
	}
	return found, nil
}

// How many versions each version can be upgraded to.
func (h handler) upgrades(ctx context.Context) (map[string]int, error) {
	engine, all, found := "aurora-postgresql", true, map[string]int{}
	pages := rds.NewDescribeDBEngineVersionsPaginator(h.rds, &rds.DescribeDBEngineVersionsInput{
		Engine: &engine, IncludeAll: &all,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, version := range page.DBEngineVersions {
			found[*version.EngineVersion] = len(version.ValidUpgradeTarget)
		}
	}
	return found, nil
}

// The execution that an object of the run bucket names, or none.
func (h handler) execution(ctx context.Context, key string) (string, error) {
	bucket := os.Getenv("RUN_BUCKET")
	object, err := h.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	var missing *s3types.NoSuchKey
	if errors.As(err, &missing) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer object.Body.Close()
	var named struct {
		Execution string `json:"execution"`
	}
	err = json.NewDecoder(object.Body).Decode(&named)
	return named.Execution, err
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
	members, err := h.members(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	status, version := snapshots.DBClusterSnapshots[0].Status, found.DBClusters[0].EngineVersion
	return map[string]any{"snapshot": status, "version": version, "members": members}, nil
}

func (h handler) resolveUpgrade(ctx context.Context, in input) (any, error) {
	found, err := h.rds.DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: &in.Cluster})
	if err != nil {
		return nil, err
	}
	cluster := found.DBClusters[0]
	lease, err := h.execution(ctx, "leases/"+*cluster.DbClusterResourceId+".json")
	if err != nil {
		return nil, err
	}
	members, err := h.members(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	upgrades, err := h.upgrades(ctx)
	if err != nil {
		return nil, err
	}
	rehearsal, err := h.execution(ctx, "upgrades/"+*cluster.DbClusterResourceId+"/rehearsal.json")
	if err != nil {
		return nil, err
	}
	targets := upgrades[*cluster.EngineVersion]
	return map[string]any{"lease": lease, "members": members, "targets": targets, "rehearsal": rehearsal}, nil
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
