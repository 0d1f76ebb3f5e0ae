package framework

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
)

// Request is one request from the API server's audit log.
type Request struct {
	URI       string `json:"requestURI"`
	Verb      string `json:"verb"`
	UserAgent string `json:"userAgent"`
	User      struct {
		Name string `json:"username"`
	} `json:"user"`
	Object struct {
		Group       string `json:"apiGroup"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	Response struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	Annotations map[string]string `json:"annotations"`
}

// isForbidden tells whether no role allows the request. Other requests are answered in the same way: in a namespace that is
// being deleted nothing may be made.
func (r *Request) isForbidden() bool {
	return r.Annotations["authorization.k8s.io/decision"] == "forbid"
}

// String returns the request in a line.
func (r *Request) String() string {
	return fmt.Sprintf("%s %s/%s %s/%s: %d", r.Verb, r.Object.Resource, r.Object.Subresource, r.Object.Namespace,
		r.Object.Name, r.Response.Code)
}

// isDryRun tells whether nothing was written: the webhook tries templates out.
func (r *Request) isDryRun() bool {
	uri, err := url.Parse(r.URI)
	return err == nil && uri.Query().Has("dryRun")
}

// isWrite tells whether something was to be changed.
func (r *Request) isWrite() bool {
	return r.Verb != "get" && r.Verb != "list" && r.Verb != "watch"
}

// ManagerWrites returns the manager's writing requests to a resource of a namespace, in their order. Dry runs are none.
func (c *Cluster) ManagerWrites(namespace, resource string) ([]*Request, error) {
	return c.requests(func(r *Request) bool {
		return r.Object.Namespace == namespace && r.Object.Resource == resource && r.isWrite() && isManager(r.UserAgent) &&
			!r.isDryRun()
	})
}

// requests returns the requests of the audit log that are wanted. Those that only read are there of the manager that is
// installed in the cluster, but of nobody else.
func (c *Cluster) requests(wanted func(*Request) bool) ([]*Request, error) {
	log, err := os.Open(c.AuditLog())
	if err != nil {
		return nil, err
	}
	defer log.Close()
	var found []*Request
	for entries := json.NewDecoder(log); ; {
		r := &Request{}
		// The last entry may be half written: the API server goes on while the log is read.
		if err := entries.Decode(r); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("audit log: %w", err)
		}
		if wanted(r) {
			found = append(found, r)
		}
	}
}

func isManager(userAgent string) bool {
	name, _, _ := strings.Cut(userAgent, "/")
	return name == ManagerName
}
