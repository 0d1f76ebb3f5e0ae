package inplace

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

const (
	// maxRecords is how many records one container has at most, however often it is patched before it is confirmed.
	maxRecords = 8
	// newestRecords is how many of the newest ones are among them.
	newestRecords = maxRecords - 3
)

// record tells what a container was. The container that the status shows is taken for one of the current image, unless
// that image was asked for in between and the kubelet had not seen it when it wrote the status: then it is of an image
// asked for before, nobody knows of which.
func record(pod *corev1.Pod, current *corev1.Container, old *State, earlier []Record) Record {
	r := Record{Name: current.Name, Image: current.Image}
	status := containerStatus(pod, current.Name)
	r.Down = status == nil || status.State.Running == nil
	if status == nil || recorded(earlier, status.ContainerID) {
		return r
	}
	inBetween := slices.ContainsFunc(earlier, func(e Record) bool { return e.Name == current.Name })
	if !inBetween || (old != nil && pod.Status.ObservedGeneration != 0 && reached(pod, old)) {
		r.ImageID, r.ContainerID = status.ImageID, status.ContainerID
	}
	return r
}

// kept returns the records of a state that a further patch keeps: those of containers that are not confirmed and, as done,
// those of the earlier batches of the same update, whose restarts were no crashes, and of what is still to be ready.
func (s *State) kept(revision string, progress *Progress) []Record {
	var records []Record
	for _, r := range s.Records {
		if slices.Contains(progress.Unconfirmed, r.Name) {
			if !r.Done {
				records = append(records, r)
			}
		} else if s.Revision == revision || slices.Contains(progress.Unready, r.Name) {
			r.Done = true
			records = append(records, r)
		}
	}
	return records
}

// undoneOnly returns the records without those that tell that a container, which is patched again, was done.
func undoneOnly(records []Record, name string) []Record {
	return slices.DeleteFunc(records, func(r Record) bool { return r.Name == name && r.Done })
}

// bounded returns the records of each container with no more of them than are needed, so that a container which is
// patched again and again while an image is pulled does not fill the annotation.
func bounded(records []Record) []Record {
	state := State{Records: records}
	var all []Record
	for _, name := range state.names(func(Record) bool { return true }) {
		var own []Record
		for _, r := range records {
			if r.Name == name && (len(own) == 0 || !slices.Contains(own[1:], r)) {
				own = append(own, r)
			}
		}
		all = append(all, trimmed(own)...)
	}
	return all
}

// trimmed returns some of the records of one container: the oldest, which tells what ran before the update; the newest
// that names a container, since it is the only one of those recorded that may still run; and the newest ones. One without
// an image stands for what is left out: it makes a digest prove less, and never more.
func trimmed(records []Record) []Record {
	if len(records) <= maxRecords {
		return records
	}
	tail := len(records) - newestRecords
	some := []Record{records[0], {Name: records[0].Name}}
	for i := len(records) - 1; i > 0; i-- {
		if records[i].ContainerID != "" {
			if i < tail {
				some = append(some, records[i])
			}
			break
		}
	}
	return append(some, records[tail:]...)
}
