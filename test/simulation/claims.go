package simulation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/insitu-dev/insitu/test/kubelet"
)

var claimResource = schema.GroupResource{Resource: "persistentvolumeclaims"}

// claimStore is an API server for claims, with the garbage collection of those whose owner is gone and the protection of
// those that are in use.
type claimStore struct {
	byName map[string]*corev1.PersistentVolumeClaim
	log    []claimEvent
	rv     int
	// deletes tells of the deletion of a claim, before it happens.
	deletes func(claim *corev1.PersistentVolumeClaim, by string)
}

// claimEvent is one change of a claim.
type claimEvent struct {
	claim   *corev1.PersistentVolumeClaim
	deleted bool
}

func (s *claimStore) record(claim *corev1.PersistentVolumeClaim, deleted bool) {
	s.rv++
	next := *claim
	next.ResourceVersion = strconv.Itoa(s.rv)
	if deleted {
		delete(s.byName, next.Name)
	} else {
		s.byName[next.Name] = &next
	}
	s.log = append(s.log, claimEvent{claim: &next, deleted: deleted})
}

// bound tells whether the claims of a pod are there for it to start with.
func (s *claimStore) bound(pod *corev1.Pod) bool {
	for _, name := range claimsOf(pod) {
		if claim := s.byName[name]; claim == nil || claim.DeletionTimestamp != nil {
			return false
		}
	}
	return true
}

// claimsOf returns the names of the claims that a pod has as volumes.
func claimsOf(pod *corev1.Pod) []string {
	var names []string
	for i := range pod.Spec.Volumes {
		if source := pod.Spec.Volumes[i].PersistentVolumeClaim; source != nil {
			names = append(names, source.ClaimName)
		}
	}
	return names
}

func (s *claimStore) create(claim *corev1.PersistentVolumeClaim) (*corev1.PersistentVolumeClaim, error) {
	if s.byName[claim.Name] != nil {
		return nil, apierrors.NewAlreadyExists(claimResource, claim.Name)
	}
	made := claim.DeepCopy()
	made.UID = types.UID(fmt.Sprintf("claim-%d", s.rv+1))
	s.record(made, false)
	return s.byName[claim.Name], nil
}

func (s *claimStore) patch(name string, data []byte) (*corev1.PersistentVolumeClaim, error) {
	old := s.byName[name]
	if old == nil {
		return nil, apierrors.NewNotFound(claimResource, name)
	}
	original, err := json.Marshal(old)
	if err != nil {
		return nil, err
	}
	merged, err := strategicpatch.StrategicMergePatch(original, data, corev1.PersistentVolumeClaim{})
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	next := &corev1.PersistentVolumeClaim{}
	if err := json.Unmarshal(merged, next); err != nil {
		return nil, err
	}
	if next.UID != old.UID || next.ResourceVersion != old.ResourceVersion {
		return nil, apierrors.NewConflict(claimResource, name, fmt.Errorf("it was changed"))
	}
	s.record(next, false)
	return s.byName[name], nil
}

// remove deletes a claim. It stays, terminating, while a pod that has a node names it.
func (s *claimStore) remove(name string, uid types.UID, pods []*corev1.Pod, now time.Time, by string) error {
	old := s.byName[name]
	switch {
	case old == nil:
		return apierrors.NewNotFound(claimResource, name)
	case uid != "" && old.UID != uid:
		return apierrors.NewConflict(claimResource, name, fmt.Errorf("it is another one"))
	case old.DeletionTimestamp == nil:
		s.deletes(old, by)
	}
	if !inUse(name, pods) {
		s.record(old, true)
		return nil
	}
	if old.DeletionTimestamp == nil {
		next := *old
		next.DeletionTimestamp = &metav1.Time{Time: now}
		s.record(&next, false)
	}
	return nil
}

func inUse(name string, pods []*corev1.Pod) bool {
	return slices.ContainsFunc(pods, func(pod *corev1.Pod) bool {
		return pod.Spec.NodeName != "" && slices.Contains(claimsOf(pod), name)
	})
}

// collect deletes the claims whose owner is gone, and ends those that terminate and are in use no more.
func (s *claimStore) collect(world *kubelet.World, set types.UID) {
	pods := world.Pods()
	alive := map[types.UID]bool{set: true}
	for _, pod := range pods {
		alive[pod.UID] = true
	}
	names := make([]string, 0, len(s.byName))
	for name := range s.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		claim := s.byName[name]
		owner := metav1.GetControllerOfNoCopy(claim)
		orphaned := owner != nil && !alive[owner.UID]
		if orphaned || claim.DeletionTimestamp != nil && !inUse(name, pods) {
			_ = s.remove(name, claim.UID, pods, world.Now(), "garbage collection")
		}
	}
}

// claimCache is a client's view of the claims that lags behind.
type claimCache struct {
	byName map[string]*corev1.PersistentVolumeClaim
	seen   int
}

// catchUp takes in all but the newest n changes.
func (c *claimCache) catchUp(s *claimStore, n int) {
	for ; c.seen < len(s.log)-n; c.seen++ {
		if e := s.log[c.seen]; e.deleted {
			delete(c.byName, e.claim.Name)
		} else {
			c.byName[e.claim.Name] = e.claim
		}
	}
}
