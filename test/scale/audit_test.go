package scale

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// writes counts the writing requests of one kind of controller to one namespace.
type writes struct {
	// Pods are those to the pods of the workload, Rehearsals those to pods that pull images, Status those to the owner of the pods, Events those to events.
	Pods, Rehearsals, Status, Events, Others int
	// Conflicts are those of them that were answered with 409.
	Conflicts int
	// Everybody counts all requests to the namespace, of whatever client.
	Everybody int
}

// isManager tells whether the manager made a request.
func isManager(e *framework.Request) bool {
	name, _, _ := strings.Cut(e.UserAgent, "/")
	return name == framework.ManagerName
}

// isDeploymentController tells whether one of the two controllers made a request that keep a Deployment's pods.
func isDeploymentController(e *framework.Request) bool {
	return e.User.Name == "system:serviceaccount:kube-system:deployment-controller" ||
		e.User.Name == "system:serviceaccount:kube-system:replicaset-controller"
}

// auditLog is the audit log of a cluster from one moment on. The API server logs a request before it answers.
type auditLog struct {
	path  string
	start int64
}

// auditFromNow returns the audit log of a cluster from now on.
func auditFromNow(c *framework.Cluster) (*auditLog, error) {
	info, err := os.Stat(c.AuditLog())
	if err != nil {
		return nil, err
	}
	return &auditLog{path: c.AuditLog(), start: info.Size()}, nil
}

// count counts the requests of a controller to a namespace.
func (l *auditLog) count(namespace string, isController func(*framework.Request) bool) (writes, error) {
	var counted writes
	log, err := os.Open(l.path)
	if err != nil {
		return counted, err
	}
	defer log.Close()
	if _, err := log.Seek(l.start, io.SeekStart); err != nil {
		return counted, err
	}
	for entries := json.NewDecoder(log); ; {
		e := &framework.Request{}
		// The last entry may be half written: the API server goes on while the log is read.
		if err := entries.Decode(e); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return counted, nil
		} else if err != nil {
			return counted, fmt.Errorf("audit log: %w", err)
		}
		if e.Object.Namespace == namespace {
			counted.add(e, isController(e))
		}
	}
}

func (w *writes) add(e *framework.Request, byController bool) {
	w.Everybody++
	if !byController {
		return
	}
	if e.Response.Code == http.StatusConflict {
		w.Conflicts++
	}
	switch e.Object.Resource {
	case "pods":
		if strings.Contains(e.Object.Name, "-rehearsal-") {
			w.Rehearsals++
		} else {
			w.Pods++
		}
	case "clonesets", "deployments", "replicasets":
		w.Status++
	case "events":
		w.Events++
	default:
		w.Others++
	}
}
