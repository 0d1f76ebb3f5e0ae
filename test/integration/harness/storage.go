package harness

import (
	"context"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/insitu-dev/insitu/test/kubelet"
)

// storageClass is the default one of the tests. Its volumes are there at once and hold nothing.
const storageClass = "simulated"

// RunStorage plays the provisioner of a cluster that has none, until the context ends: each claim gets a volume, which the
// controllers of the cluster bind to it, and which is deleted when it is released.
func RunStorage(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(kubelet.ClientConfig(config))
	if err != nil {
		return err
	}
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name: storageClass, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner: "insitu.dev/" + storageClass, ReclaimPolicy: new(corev1.PersistentVolumeReclaimRetain),
	}
	_, err = client.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	p := provisioner{ctx, client}
	for informer, handle := range map[cache.SharedIndexInformer]func(any){
		factory.Core().V1().PersistentVolumeClaims().Informer(): p.provide,
		factory.Core().V1().PersistentVolumes().Informer():      p.reclaim,
	} {
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: handle, UpdateFunc: func(_, after any) { handle(after) },
		}); err != nil {
			return err
		}
	}
	factory.StartWithContext(ctx)
	<-ctx.Done()
	factory.Shutdown()
	return nil
}

type provisioner struct {
	ctx    context.Context
	client kubernetes.Interface
}

// provide makes the volume of a claim.
func (p provisioner) provide(object any) {
	claim, ok := object.(*corev1.PersistentVolumeClaim)
	if !ok || claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil ||
		claim.Spec.StorageClassName == nil || *claim.Spec.StorageClassName != storageClass {
		return
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "simulated-" + string(claim.UID)},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: claim.Spec.Resources.Requests, AccessModes: claim.Spec.AccessModes, StorageClassName: storageClass,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			ClaimRef:                      &corev1.ObjectReference{Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: "/none"},
			},
		},
	}
	_, err := p.client.CoreV1().PersistentVolumes().Create(p.ctx, volume, metav1.CreateOptions{})
	p.report(err)
}

// reclaim deletes a volume that no claim needs any more.
func (p provisioner) reclaim(object any) {
	volume, ok := object.(*corev1.PersistentVolume)
	if ok && volume.Spec.StorageClassName == storageClass && volume.Status.Phase == corev1.VolumeReleased {
		p.report(p.client.CoreV1().PersistentVolumes().Delete(p.ctx, volume.Name, metav1.DeleteOptions{}))
	}
}

func (p provisioner) report(err error) {
	if err != nil && !apierrors.IsAlreadyExists(err) && !apierrors.IsNotFound(err) && p.ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "storage:", err)
	}
}
