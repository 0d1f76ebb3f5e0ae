package rollout_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/insitu-dev/insitu/test/load/rollout"
)

func serving(uids ...types.UID) rollout.Pods { return sets.New(uids...) }

// at returns a time that many seconds after an arbitrary beginning.
func at(seconds int) time.Time { return time.Unix(int64(seconds), 0) }

func TestOutageAddsUpMissingPods(t *testing.T) {
	o := rollout.NewOutage(at(0), 3, serving("a", "b", "c"))
	o.Observe(at(2), serving("a"))            // two are out for 3 s,
	o.Observe(at(5), serving("a", "b"))       // one for 5 s more,
	o.Observe(at(10), serving("a", "b", "c")) // and none in the end.
	got := o.Cost(at(20))
	want := rollout.Cost{Elapsed: 20 * time.Second, PodTime: 11 * time.Second, MedianOut: 5500 * time.Millisecond, LongestOut: 8 * time.Second}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestOutageCountsReplacementsLikeReturns(t *testing.T) {
	o := rollout.NewOutage(at(0), 1, serving("old"))
	o.Observe(at(1), serving())
	o.Observe(at(5), serving("new"))
	if got := o.Cost(at(6)); got.PodTime != 4*time.Second || got.LongestOut != 4*time.Second {
		t.Errorf("got %+v", got)
	}
}

func TestOutageThatHasNotEndedCounts(t *testing.T) {
	o := rollout.NewOutage(at(0), 1, serving("a"))
	o.Observe(at(1), serving())
	if got := o.Cost(at(4)); got.PodTime != 3*time.Second || got.MedianOut != 3*time.Second {
		t.Errorf("got %+v", got)
	}
}

func TestMorePodsThanReplicasAreNoCredit(t *testing.T) {
	o := rollout.NewOutage(at(0), 1, serving("a"))
	o.Observe(at(1), serving("a", "b"))
	o.Observe(at(10), serving())
	if got := o.Cost(at(11)); got.PodTime != time.Second {
		t.Errorf("got %+v", got)
	}
}

func TestInService(t *testing.T) {
	endpoint := func(uid types.UID, c discoveryv1.EndpointConditions) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{TargetRef: &corev1.ObjectReference{Kind: "Pod", UID: uid}, Conditions: c}
	}
	got := rollout.InService([]*discoveryv1.EndpointSlice{{Endpoints: []discoveryv1.Endpoint{
		endpoint("nothing-said", discoveryv1.EndpointConditions{}),
		endpoint("ready", discoveryv1.EndpointConditions{Ready: new(true)}),
		endpoint("not-ready", discoveryv1.EndpointConditions{Ready: new(false)}),
		endpoint("terminating", discoveryv1.EndpointConditions{Ready: new(true), Terminating: new(true)}),
	}}})
	if !got.Equal(serving("nothing-said", "ready")) {
		t.Errorf("got %v", got)
	}
}

// pod returns a pod with an init container that ended, a native sidecar, and two containers.
func pod(uid types.UID, ip, web, helper, sidecar string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{UID: uid},
		Spec: corev1.PodSpec{NodeName: "node", InitContainers: []corev1.Container{
			{Name: "init"}, {Name: "sidecar", RestartPolicy: new(corev1.ContainerRestartPolicyAlways)},
		}},
		Status: corev1.PodStatus{
			PodIP:                 ip,
			ContainerStatuses:     []corev1.ContainerStatus{{Name: "web", ContainerID: web}, {Name: "helper", ContainerID: helper}},
			InitContainerStatuses: []corev1.ContainerStatus{{Name: "init", ContainerID: "init-" + web}, {Name: "sidecar", ContainerID: sidecar}},
		},
	}
}

func TestCompare(t *testing.T) {
	before := []*corev1.Pod{pod("a", "1", "wa", "ha", "sa"), pod("b", "2", "wb", "hb", "sb")}
	tests := map[string]struct {
		after []*corev1.Pod
		want  rollout.Identity
	}{
		"in place": {
			after: []*corev1.Pod{pod("a", "1", "wa2", "ha", "sa"), pod("b", "2", "wb2", "hb", "sb")},
			want:  rollout.Identity{Pods: 2, SameUID: 2, SameIP: 2, SameNode: 2},
		},
		"recreated": {
			after: []*corev1.Pod{pod("c", "1", "wc", "hc", "sc"), pod("d", "2", "wd", "hd", "sd")},
			want:  rollout.Identity{Pods: 2, OtherContainersRestarted: 4},
		},
		"a sidecar and an address lost": {
			after: []*corev1.Pod{pod("a", "1", "wa2", "ha", "sa2"), pod("b", "3", "wb2", "hb", "sb")},
			want:  rollout.Identity{Pods: 2, SameUID: 2, SameIP: 1, SameNode: 2, OtherContainersRestarted: 1},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := rollout.Compare(before, test.after, "web"); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
