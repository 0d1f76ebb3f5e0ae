package components

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
)

// probePeriod is the time between two looks at something that has no event to wait for.
const probePeriod = 50 * time.Millisecond

// Probe asks whether something is ready; the error says why not.
type Probe func(context.Context) error

// Await returns once the probe succeeds. When the context ends first, the error is the probe's last.
func Await(ctx context.Context, probe Probe) error {
	tick := time.NewTicker(probePeriod)
	defer tick.Stop()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// EtcdReady asks etcd itself.
func EtcdReady(spec *state.Spec) Probe {
	return func(ctx context.Context) error {
		_, err := get(ctx, http.DefaultClient, "http://"+Loopback(spec.Ports.Etcd)+"/health")
		return err
	}
}

// ContainerdReady asks whether the container runtime listens.
func ContainerdReady(ctx context.Context) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", "/run/containerd/containerd.sock")
	if err != nil {
		return err
	}
	return conn.Close()
}

// API asks the API server questions as its administrator.
type API struct {
	client *http.Client
	server string
}

// NewAPI reads the administrator's credentials from the cluster's kubeconfig.
func NewAPI(spec *state.Spec) (*API, error) {
	content, err := os.ReadFile(spec.Dir.Kubeconfig())
	if err != nil {
		return nil, err
	}
	var config struct {
		Clusters []struct {
			Cluster struct {
				CA string `json:"certificate-authority-data"`
			}
		}
		Users []struct {
			User struct {
				Certificate string `json:"client-certificate-data"`
				Key         string `json:"client-key-data"`
			}
		}
	}
	if err := json.Unmarshal(content, &config); err != nil {
		return nil, err
	}
	if len(config.Clusters) != 1 || len(config.Users) != 1 {
		return nil, fmt.Errorf("%s: want one cluster and one user", spec.Dir.Kubeconfig())
	}
	user := config.Users[0].User
	tlsConfig, err := clientTLS(config.Clusters[0].Cluster.CA, user.Certificate, user.Key)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: tlsConfig}
	return &API{client: &http.Client{Transport: transport, Timeout: 5 * time.Second}, server: ServerURL(spec)}, nil
}

func clientTLS(encodedPEM ...string) (*tls.Config, error) {
	var decoded [3][]byte
	for i, s := range encodedPEM {
		var err error
		if decoded[i], err = base64.StdEncoding.DecodeString(s); err != nil {
			return nil, err
		}
	}
	certificate, err := tls.X509KeyPair(decoded[1], decoded[2])
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(decoded[0])
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}, nil
}

// Ready asks whether the API server serves all its APIs.
func (a *API) Ready(ctx context.Context) error {
	_, err := get(ctx, a.client, a.server+"/readyz")
	return err
}

// Usable asks whether pods can be created: they need the default service account, which the controller manager makes.
func (a *API) Usable(ctx context.Context) error {
	_, err := get(ctx, a.client, a.server+"/api/v1/namespaces/default/serviceaccounts/default")
	return err
}

// NodeReady asks whether the real node reports that it is ready and takes pods.
func (a *API) NodeReady(ctx context.Context) error {
	body, err := get(ctx, a.client, a.server+"/api/v1/nodes/"+NodeName)
	if err != nil {
		return err
	}
	var node struct {
		Spec   struct{ Taints []struct{ Key string } }
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := json.Unmarshal(body, &node); err != nil {
		return err
	}
	if len(node.Spec.Taints) > 0 {
		return fmt.Errorf("node has the taint %s", node.Spec.Taints[0].Key)
	}
	for _, c := range node.Status.Conditions {
		if c.Type == "Ready" && c.Status == "True" {
			return nil
		}
		if c.Type == "Ready" {
			return fmt.Errorf("node is not ready: %s", c.Message)
		}
	}
	return errors.New("node has no condition Ready yet")
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, response.Status)
	}
	return body, err
}
