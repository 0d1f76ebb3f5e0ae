package e2e

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/test/e2e/framework"
)

// What pods write to their claims is there after an update in place, after a recreation and after a deletion by hand: the
// node's kubelet, the scheduler and the controllers of the cluster bind and mount them.
func TestClaimsKeepWhatPodsWrite(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(w *framework.Workload) { w.Replicas = 0 })
	e.provideVolumes(5)
	e.change(func(set *appsv1beta1.CloneSet) { claimData(set, e.namespace) })
	e.untilComplete()
	bound := e.claimed(3)
	e.expectStarts("v1\n")

	before := e.pods()
	e.setImage(ref(webV2))
	e.untilComplete()
	e.unchanged(before, framework.MainContainer)
	e.expectStarts("v1\nv2\n")

	e.change(setEnv)
	e.untilComplete()
	e.expectStarts("v1\nv2\nv2\n")

	lost := e.pods()[0]
	e.must(e.cluster.Client.Delete(e.ctx, lost))
	successor := e.untilPod("the pod has no successor", func(pod *corev1.Pod) bool {
		return pod.Name == lost.Name && pod.UID != lost.UID && framework.IsReady(pod)
	})
	if got := e.starts(successor); got != "v1\nv2\nv2\nv2\n" {
		t.Errorf("the successor of the deleted pod was started %q", got)
	}
	if after := e.claimed(3); !maps.Equal(after, bound) {
		t.Errorf("the claims are bound to %v, and were to %v", after, bound)
	}

	e.scale(2)
	e.untilComplete()
	for name, volume := range e.claimed(2) {
		if bound[name] != volume {
			t.Errorf("claim %s is bound to %s, and was to %s", name, volume, bound[name])
		}
	}
}

// provideVolumes makes volumes on the node for the test's claims.
func (e *env) provideVolumes(count int) {
	e.Helper()
	objects := []client.Object{&storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: e.namespace}, Provisioner: "kubernetes.io/no-provisioner",
		VolumeBindingMode: new(storagev1.VolumeBindingWaitForFirstConsumer),
	}}
	for i := range count {
		name := fmt.Sprintf("%s-%d", e.namespace, i)
		objects = append(objects, &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PersistentVolumeSpec{
				Capacity: storage(), AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				StorageClassName: e.namespace, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
				PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{
					Path: "/var/lib/insitu-e2e/" + name, Type: new(corev1.HostPathDirectoryOrCreate),
				}},
			},
		})
	}
	for _, object := range objects {
		e.must(e.cluster.Client.Create(e.ctx, object))
		e.Cleanup(func() {
			if err := e.cluster.Client.Delete(context.WithoutCancel(e.ctx), object); err != nil {
				e.Errorf("delete %s: %v", object.GetName(), err)
			}
		})
	}
}

func storage() corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")}
}

// claimData gives three pods a claim each, that their successors get, and in which the web server records its starts.
func claimData(set *appsv1beta1.CloneSet, class string) {
	set.Spec.Replicas = new(int32(3))
	set.Spec.ScaleStrategy.EnablePVCReuse = true
	set.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{
		ObjectMeta: metav1.ObjectMeta{Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{Requests: storage()},
		},
	}}
	web := &set.Spec.Template.Spec.Containers[0]
	web.Args = append(web.Args, "--record-starts=/data/starts")
	web.SecurityContext = &corev1.SecurityContext{RunAsUser: new(int64(0))} // The volumes on the node are root's.
	web.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
}

// claimed waits until there are so many claims, all of them bound, and returns the volumes by the names of the claims.
func (e *env) claimed(count int) map[string]string {
	e.Helper()
	volumes := map[string]string{}
	err := wait.PollUntilContextTimeout(e.ctx, 200*time.Millisecond, stepTimeout, true, func(ctx context.Context) (bool, error) {
		list := &corev1.PersistentVolumeClaimList{}
		err := e.cluster.Client.List(ctx, list, client.InNamespace(e.namespace))
		volumes = map[string]string{}
		for i := range list.Items {
			if list.Items[i].Status.Phase == corev1.ClaimBound {
				volumes[list.Items[i].Name] = list.Items[i].Spec.VolumeName
			}
		}
		return len(list.Items) == count && len(volumes) == count, err
	})
	if err != nil {
		e.Fatalf("%v: the bound claims are %v, want %d", err, volumes, count)
	}
	return volumes
}

func (e *env) starts(pod *corev1.Pod) string {
	e.Helper()
	starts, err := e.cluster.Starts(e.ctx, pod)
	e.must(err)
	return starts
}

// expectStarts checks what the claims of all pods say their web servers were started with.
func (e *env) expectStarts(want string) {
	e.Helper()
	for _, pod := range e.pods() {
		if got := e.starts(pod); got != want {
			e.Errorf("pod %s was started %q, want %q", pod.Name, got, want)
		}
	}
}
