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

// Write is one writing request from the API server's audit log.
type Write struct {
	URI       string `json:"requestURI"`
	Verb      string `json:"verb"`
	UserAgent string `json:"userAgent"`
	Object    struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	Response struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

// String returns the request in a line.
func (w *Write) String() string {
	return fmt.Sprintf("%s %s/%s %s/%s: %d", w.Verb, w.Object.Resource, w.Object.Subresource, w.Object.Namespace,
		w.Object.Name, w.Response.Code)
}

// isDryRun tells whether nothing was written: the webhook tries templates out.
func (w *Write) isDryRun() bool {
	uri, err := url.Parse(w.URI)
	return err == nil && uri.Query().Has("dryRun")
}

// ManagerWrites returns the manager's writing requests to a resource of a namespace, in their order. Dry runs are none.
func (c *Cluster) ManagerWrites(namespace, resource string) ([]*Write, error) {
	log, err := os.Open(c.AuditLog())
	if err != nil {
		return nil, err
	}
	defer log.Close()
	var writes []*Write
	for entries := json.NewDecoder(log); ; {
		w := &Write{}
		// The last entry may be half written: the API server goes on while the log is read.
		if err := entries.Decode(w); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return writes, nil
		} else if err != nil {
			return nil, fmt.Errorf("audit log: %w", err)
		}
		if w.Object.Namespace == namespace && w.Object.Resource == resource && isManager(w.UserAgent) && !w.isDryRun() {
			writes = append(writes, w)
		}
	}
}

func isManager(userAgent string) bool {
	name, _, _ := strings.Cut(userAgent, "/")
	return name == ManagerName
}
