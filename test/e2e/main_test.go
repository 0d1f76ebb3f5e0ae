// Package e2e holds the end-to-end tests: the manager as the chart installs it, on a node with a real kubelet, under
// load. Each test has a namespace of its own.
package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// clusterVariable names the environment variable that names the cluster to test on.
const clusterVariable = "INSITU_TEST_CLUSTER"

// Images of the tests. The web server's answer their version. Those of a repository slow<N>s/ take that many seconds to
// pull, once for each repository.
const (
	webV1      = "e2e/web:v1"
	webV1Again = "e2e/web:v1-again" // the digest of webV1
	webV2      = "e2e/web:v2"
	webV3      = "e2e/web:v3"
	webCrash   = "e2e/web:crash"
	webMissing = "e2e/web:missing"
	toolsV1    = "e2e/tools:v1"
	toolsV2    = "e2e/tools:v2"
	// Each is pulled by one test only: what a node has pulled is no longer slow.
	slowWeb   = "slow8s/web:slow"
	slowerWeb = "slow8s/web:slower"
	slowTools = "slow8s/tools:slow"
	hangFirst = "slow900s/web:first"
	// webLate is pushed in the middle of its test, and webPrivate needs a Secret.
	webLate    = "e2e/web:late"
	webPrivate = "private/web:v2"
)

// shared is the cluster of all tests. Those that need it are skipped without it.
var shared *framework.Cluster

func TestMain(m *testing.M) {
	if err := setUp(); err != nil {
		fmt.Fprintln(os.Stderr, "end-to-end tests:", err)
		os.Exit(1)
	}
	code := m.Run()
	if checkRights(context.Background(), os.Stderr) > 0 {
		code = 1
	}
	os.Exit(code)
}

func setUp() error {
	name := os.Getenv(clusterVariable)
	if name == "" {
		return nil
	}
	cluster, err := framework.Open(name)
	if err != nil || cluster.Nodes != framework.RealNode {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := cluster.CheckInstalled(ctx); err != nil {
		return err
	}
	if err := cluster.PushImages(ctx, append(images(), scenarioImages()...)...); err != nil {
		return err
	}
	shared = cluster
	return nil
}

func images() []framework.Image {
	const padding = 4 << 20
	serve := []string{"serve"}
	return []framework.Image{
		{Ref: webV1, Version: "v1", Command: serve, Padding: padding},
		{Ref: webV1Again, Version: "v1", Command: serve, Padding: padding},
		{Ref: webV2, Version: "v2", Command: serve, Padding: padding},
		{Ref: webV3, Version: "v3", Command: serve, Padding: padding},
		{Ref: webCrash, Version: "crash", Command: []string{"crash"}, Padding: padding},
		{Ref: toolsV1, Version: "v1"},
		{Ref: toolsV2, Version: "v2"},
		{Ref: slowWeb, Version: "slow", Command: serve},
		{Ref: slowerWeb, Version: "slower", Command: serve},
		{Ref: slowTools, Version: "slow"},
		{Ref: hangFirst, Version: "first", Command: serve},
		{Ref: webPrivate, Version: "private", Command: serve},
	}
}

// cluster returns the cluster, or skips the test with the reason why there is none.
func cluster(t *testing.T) *framework.Cluster {
	t.Helper()
	if shared == nil {
		t.Skipf("%s does not name a cluster with a real node; `make test-e2e` sets one up", clusterVariable)
	}
	return shared
}
