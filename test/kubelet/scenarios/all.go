package scenarios

import (
	corev1 "k8s.io/api/core/v1"
)

// The slow repositories, one for each scenario that needs one.
const (
	slowSidecar = "set-back"
	slowFirst   = "replaced"
	slowProbed  = "probed"
	slowGated   = "gated"
	slowDeleted = "deleted"
	slowTwo     = "two"
)

func slowRepositories() []string {
	return []string{slowSidecar, slowFirst, slowProbed, slowGated, slowDeleted, slowTwo}
}

// All returns the scenarios.
func All() []Scenario {
	return []Scenario{
		// All goes well.
		newPod(), oneOfTwo(), twoAtOnce(), otherTag(), sidecarImage(), initImage(), gateOffAndOn(), updateInPlace(), deleted(),
		// Something is late or wrong.
		missingAndBack(), missingWithProbe(), missingOfNewPod(), crashAndBack(), setBack(), slowAndReplaced(), slowWithProbe(),
		slowOneOfTwo(), gateInPull(), deletedInPull(),
		// Resources.
		resized(), resizedSidecar(), resizedByRestart(),
	}
}

func newPod() Scenario {
	return Scenario{
		Name:         "new pod with an init container, a sidecar and a readiness probe",
		Pod:          webPod(withSetup, withSidecar, withProbe),
		FromCreation: true,
		Do:           func(p *Play) { p.UntilReady(true) },
		Shows: []string{
			"~0 unready",
			"~1 setup:PodInitializing,-,-,0 proxy:PodInitializing,-,-,0 web:PodInitializing,-,-,0 unready",
			"~1 setup:running,#1,@1,0 proxy:PodInitializing,-,-,0 web:PodInitializing,-,-,0 unready",
			"~1 setup:ended,#1,@1,0 proxy:PodInitializing,-,-,0 web:PodInitializing,-,-,0 unready",
			"~1 setup:ended,#1,@1,0 proxy:running,#2,@1,0 web:PodInitializing,-,-,0 unready",
			"~1 setup:ended,#1,@1,0 proxy:running,#2,@1,0 web:running,#3,@2,0 unready",
			"1 setup:ended,#1,@1,0 proxy:running,#2,@1,0 web:running,#3,@2,0 ready",
		},
	}
}

func oneOfTwo() Scenario {
	return Scenario{
		Name: "image of one of two containers",
		Pod:  webPod(withProbe, withHelper),
		Do: func(p *Play) {
			p.SetImage(web, webV2)
			p.UntilRestarted(web, 1)
		},
		Shows: []string{
			"~1 helper:running,#1,@1,0 web:running,#2,@2,0 ready",
			"~2 helper:running,#1,@1,0 web:running,#2,@2,0 ready",
			"~2 helper:running,#1,@1,0 web:running,#3,@3,1 unready",
			"2 helper:running,#1,@1,0 web:running,#3,@3,1 ready",
		},
	}
}

func twoAtOnce() Scenario {
	return Scenario{
		Name: "images of two containers at once",
		Pod:  webPod(withHelper),
		Do: func(p *Play) {
			p.SetImages(map[string]string{web: webV2, helper: toolsV2})
			p.UntilRestarted(helper, 1)
		},
		Shows: []string{
			"~1 helper:running,#1,@1,0 web:running,#2,@2,0 ready",
			"~2 helper:running,#1,@1,0 web:running,#2,@2,0 ready",
			"2 helper:running,#3,@3,1 web:running,#4,@4,1 ready",
		},
	}
}

func otherTag() Scenario {
	return Scenario{
		Name: "other tag of the same image",
		Pod:  webPod(),
		Do: func(p *Play) {
			p.SetImage(web, webV1Again)
			p.UntilRestarted(web, 1)
		},
		Shows: []string{
			"~1 web:running,#1,@1,0 ready",
			"~2 web:running,#1,@1,0 ready",
			"2 web:running,#2,@1,1 ready",
		},
	}
}

func sidecarImage() Scenario {
	return Scenario{
		Name: "image of a native sidecar",
		Pod:  webPod(withSidecar),
		Do: func(p *Play) {
			p.SetImage(proxy, toolsV2)
			p.UntilRestarted(proxy, 1)
		},
		Shows: []string{
			"~1 proxy:running,#1,@1,0 web:running,#2,@2,0 ready",
			"~2 proxy:running,#1,@1,0 web:running,#2,@2,0 ready",
			"2 proxy:running,#3,@3,1 web:running,#2,@2,0 ready",
		},
	}
}

func initImage() Scenario {
	return Scenario{
		Name: "image of an init container that is done",
		Pod:  webPod(withSetup),
		Do: func(p *Play) {
			p.SetImage(setup, toolsV2)
			p.UntilObserved(2)
			p.SetImage(web, webV2)
			p.UntilRestarted(web, 1)
		},
		Shows: []string{
			"~1 setup:ended,#1,@1,0 web:running,#2,@2,0 ready",
			"~2 setup:ended,#1,@1,0 web:running,#2,@2,0 ready",
			"~3 setup:ended,#1,@1,0 web:running,#2,@2,0 ready",
			"3 setup:ended,#1,@1,0 web:running,#3,@3,1 ready",
		},
	}
}

func gateOffAndOn() Scenario {
	return Scenario{
		Name: "gate off and on",
		Pod:  webPod(withGate),
		Do: func(p *Play) {
			p.SetGate(corev1.ConditionFalse)
			p.UntilReady(false)
			p.SetGate(corev1.ConditionTrue)
			p.UntilReady(true)
		},
		Shows: []string{
			"~1 web:running,#1,@1,0 ready",
			"~1 web:running,#1,@1,0 unready",
			"1 web:running,#1,@1,0 ready",
		},
	}
}

func updateInPlace() Scenario {
	return Scenario{
		Name: "gate off, new image, and gate on",
		Pod:  webPod(withGate, withSidecar),
		Do: func(p *Play) {
			p.SetGate(corev1.ConditionFalse)
			p.UntilReady(false)
			p.SetImage(web, webV2)
			p.Until("the container is restarted", func(pod *corev1.Pod) bool { return statusOf(pod, web).RestartCount == 1 })
			p.SetGate(corev1.ConditionTrue)
			p.UntilReady(true)
		},
		Shows: []string{
			"~1 proxy:running,#1,@1,0 web:running,#2,@2,0 ready",
			"~1 proxy:running,#1,@1,0 web:running,#2,@2,0 unready",
			"~2 proxy:running,#1,@1,0 web:running,#2,@2,0 unready",
			"~2 proxy:running,#1,@1,0 web:running,#3,@3,1 unready",
			"2 proxy:running,#1,@1,0 web:running,#3,@3,1 ready",
		},
	}
}

func deleted() Scenario {
	return Scenario{
		Name: "deleted",
		Pod:  webPod(withSidecar),
		Do: func(p *Play) {
			p.Delete()
			p.UntilGone()
		},
		Shows: []string{
			"~1 proxy:running,#1,@1,0 web:running,#2,@2,0 ready",
			"~2 proxy:running,#1,@1,0 web:running,#2,@2,0 ready",
			"~2 proxy:ended,#1,@1,0 web:ended,#2,@2,0 unready",
			"gone",
		},
	}
}

func missingAndBack() Scenario {
	return Scenario{
		Name: "missing image, and back",
		Pod:  webPod(),
		Do: func(p *Play) {
			p.SetImage(web, webMissing)
			p.UntilWaiting(web, "ErrImagePull", 0)
			p.UntilWaiting(web, "ImagePullBackOff", 0)
			p.UntilWaiting(web, "ErrImagePull", 0)
			p.SetImage(web, webV1)
			p.UntilRestarted(web, 1)
		},
		Shows: []string{
			"~1 web:running,#1,@1,0 ready",
			"~2 web:running,#1,@1,0 ready",
			"2 web:ErrImagePull,#1,@1,0 unready",
			"2 web:ImagePullBackOff,#1,@1,0 unready",
			"~2 web:ErrImagePull,#1,@1,0 unready",
			"~3 web:ImagePullBackOff,#1,@1,0 unready",
			"3 web:running,#2,@1,1 ready",
		},
	}
}

func missingWithProbe() Scenario {
	return Scenario{
		Name: "missing image with a readiness probe, and back",
		Pod:  webPod(withProbe),
		Do: func(p *Play) {
			p.SetImage(web, webMissing)
			p.UntilWaiting(web, "CrashLoopBackOff", 0)
			p.SetImage(web, webV1)
			p.UntilRestarted(web, 1)
		},
		Shows: []string{
			"~1 web:running,#1,@1,0 ready",
			"~2 web:running,#1,@1,0 ready",
			"2 web:ErrImagePull,#1,@1,0 unready",
			"2 web:ImagePullBackOff,#1,@1,0 unready",
			"~2 web:CrashLoopBackOff,#1,@1,0 unready",
			"~3 web:ErrImagePull,#1,@1,0 unready",
			"~3 web:running,#2,@1,1 unready",
			"3 web:running,#2,@1,1 ready",
		},
	}
}

func missingOfNewPod() Scenario {
	return Scenario{
		Name:         "missing image of a new pod",
		Pod:          webPod(withImage(webMissing)),
		FromCreation: true,
		Do: func(p *Play) {
			p.UntilWaiting(web, "ImagePullBackOff", 0)
			p.SetImage(web, webV1)
			p.UntilRestarted(web, 0)
		},
		Shows: []string{
			"~0 unready",
			"~1 web:ContainerCreating,-,-,0 unready",
			"1 web:ErrImagePull,-,-,0 unready",
			"~1 web:ImagePullBackOff,-,-,0 unready",
			"~2 web:ErrImagePull,-,-,0 unready",
			"2 web:running,#1,@1,0 ready",
		},
	}
}

func crashAndBack() Scenario {
	return Scenario{
		Name: "image that crashes at its start, and back",
		Pod:  webPod(),
		Do: func(p *Play) {
			p.SetImage(web, webCrash)
			p.UntilWaiting(web, "ended", 2)
			p.SetImage(web, webV1)
			p.UntilRestarted(web, 3)
		},
		Shows: []string{
			"~1 web:running,#1,@1,0 ready",
			"~2 web:running,#1,@1,0 ready",
			"~2 web:running,#2,@2,1 ready",
			"~2 web:ended,#2,@2,1 unready",
			"~2 web:running,#3,@2,2 ready",
			"~2 web:ended,#3,@2,2 unready",
			"~3 web:CrashLoopBackOff,#3,@2,2 unready",
			"3 web:running,#4,@1,3 ready",
		},
	}
}

func setBack() Scenario {
	return Scenario{
		Name: "image set back before the kubelet acted",
		Pod:  webPod(withHelper),
		Do: func(p *Play) {
			p.SetImage(helper, slow(slowSidecar))
			p.UntilObserved(2)
			p.SetImage(web, webV2)
			p.SetImage(web, webV1)
			p.UntilObserved(4)
			p.UntilRestarted(helper, 1)
		},
		Shows: []string{
			"~1 helper:running,#1,@1,0 web:running,#2,@2,0 ready",
			"2 helper:running,#1,@1,0 web:running,#2,@2,0 ready",
			"4 helper:running,#3,@3,1 web:running,#2,@2,0 ready",
		},
	}
}

func slowAndReplaced() Scenario {
	return Scenario{
		Name: "slow image that is replaced by another",
		Pod:  webPod(),
		Do: func(p *Play) {
			p.SetImage(web, slow(slowFirst))
			p.UntilObserved(2)
			p.SetImage(web, webV3)
			p.UntilRestarted(web, 2)
		},
		Shows: []string{
			"~1 web:running,#1,@1,0 ready",
			"2 web:running,#1,@1,0 ready",
			"~3 web:running,#2,@2,1 ready",
			"3 web:running,#3,@3,2 ready",
		},
	}
}

func slowWithProbe() Scenario {
	return Scenario{
		Name: "slow image with a readiness probe",
		Pod:  webPod(withProbe),
		Do: func(p *Play) {
			p.SetImage(web, slow(slowProbed))
			p.UntilRestarted(web, 1)
		},
		Shows: []string{
			"~1 web:running,#1,@1,0 ready",
			"2 web:running,#1,@1,0 ready",
			"2 web:running,#1,@1,0 unready",
			"~2 web:running,#2,@2,1 unready",
			"2 web:running,#2,@2,1 ready",
		},
	}
}

func slowOneOfTwo() Scenario {
	return Scenario{
		Name: "slow image of one of two containers that change",
		Pod:  webPod(withHelper),
		Do: func(p *Play) {
			p.SetImages(map[string]string{web: slow(slowTwo), helper: toolsV2})
			p.UntilRestarted(helper, 1)
		},
		Shows: []string{
			"~1 helper:running,#1,@1,0 web:running,#2,@2,0 ready",
			"2 helper:running,#1,@1,0 web:running,#2,@2,0 ready",
			"2 helper:running,#3,@3,1 web:running,#4,@4,1 ready",
		},
	}
}

func gateInPull() Scenario {
	return Scenario{
		Name: "gate off in a pull",
		Pod:  webPod(withGate),
		Do: func(p *Play) {
			p.SetImage(web, slow(slowGated))
			p.UntilObserved(2)
			p.SetGate(corev1.ConditionFalse)
			p.UntilReady(false)
			p.Until("the container is restarted", func(pod *corev1.Pod) bool { return statusOf(pod, web).RestartCount == 1 })
			p.SetGate(corev1.ConditionTrue)
			p.UntilReady(true)
		},
		Shows: []string{
			"~1 web:running,#1,@1,0 ready",
			"2 web:running,#1,@1,0 ready",
			"~2 web:running,#2,@2,1 unready",
			"2 web:running,#2,@2,1 ready",
		},
	}
}

func deletedInPull() Scenario {
	return Scenario{
		Name: "deleted in a pull",
		Pod:  webPod(),
		Do: func(p *Play) {
			p.SetImage(web, slow(slowDeleted))
			p.UntilObserved(2)
			p.Delete()
			p.UntilGone()
		},
		Shows: []string{
			"~1 web:running,#1,@1,0 ready",
			"2 web:running,#1,@1,0 ready",
			"~3 web:running,#2,@2,1 ready",
			"~3 web:ended,#2,@2,1 unready",
			"gone",
		},
	}
}
