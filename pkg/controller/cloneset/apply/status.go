package apply

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
)

// Status writes the status of a CloneSet, if it differs from the one that was read. It returns the resourceVersion that
// the write gave the CloneSet, or nothing if there was none. The write is conditioned on the resourceVersion that was read:
// one that comes late, from a process that has lost its lease, would stay over that of its successor, since no event has a
// status looked at again.
func (e *Executor) Status(
	ctx context.Context, set *appsv1beta1.CloneSet, status *appsv1beta1.CloneSetStatus,
) (string, error) {
	if equality.Semantic.DeepEqual(&set.Status, status) {
		return "", nil
	}
	patch, err := statusPatch(set, status)
	if err != nil {
		return "", err
	}
	written := &appsv1beta1.CloneSet{}
	written.Namespace, written.Name = set.Namespace, set.Name
	err = e.Client.Status().Patch(ctx, written, client.RawPatch(types.MergePatchType, patch))
	return written.ResourceVersion, err
}

// statusPatch returns the merge patch that sets every field of a status; those that it lacks are taken away.
func statusPatch(set *appsv1beta1.CloneSet, status *appsv1beta1.CloneSetStatus) ([]byte, error) {
	before, err := asMap(&set.Status)
	if err != nil {
		return nil, err
	}
	after, err := asMap(status)
	if err != nil {
		return nil, err
	}
	for key := range before {
		if _, ok := after[key]; !ok {
			after[key] = nil
		}
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": set.UID, "resourceVersion": set.ResourceVersion}, "status": after,
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the status: %w", err)
	}
	return patch, nil
}

func asMap(status *appsv1beta1.CloneSetStatus) (map[string]any, error) {
	data, err := json.Marshal(status)
	if err != nil {
		return nil, fmt.Errorf("encoding the status: %w", err)
	}
	fields := map[string]any{}
	return fields, json.Unmarshal(data, &fields)
}
