package kubelet

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// MissingCommand is the one command that no image has. A container that is to run it fails to start, after its image was
// pulled.
const MissingCommand = "/insitu-rehearsal"

// Image is what a registry, and the program inside, do when a pod asks for one image.
type Image struct {
	// Digest ("sha256:...") is what the reference resolves to. Empty means the digest that the reference itself names,
	// or else one made up from it.
	Digest string
	// DigestUnknown makes the runtime report the bare digest without a repository, as it does for an image that was
	// loaded on the node instead of pulled.
	DigestUnknown bool
	// PullTime is what a pull takes, successful or not. An image that is on the node is not pulled again.
	PullTime time.Duration
	// PullError is the message of every pull that ends before PullErrorUntil; a zero time means for ever.
	PullError      string
	PullErrorUntil time.Time
	// StartTime replaces Timing.Start, StopTime replaces Timing.Stop, when above zero.
	StartTime, StopTime time.Duration
	// StartError makes the container fail to start with this message: exit code 128, reason StartError.
	StartError string
	// ReadyDelay passes between start and the success of the startup and readiness probes. Above zero it makes up for a
	// readiness probe that the container does not have.
	ReadyDelay time.Duration
	// CrashAfter makes the container exit with code 1 that long after its start; 0 means never.
	CrashAfter time.Duration
	// RunTime is how long an init container that is no sidecar works before it succeeds.
	RunTime time.Duration
}

// pullFails tells with which message a pull that ends now fails; empty means it succeeds.
func (i Image) pullFails(now time.Time) string {
	if i.PullError == "" || !i.PullErrorUntil.IsZero() && !now.Before(i.PullErrorUntil) {
		return ""
	}
	return i.PullError
}

// ImageModel knows the images. It is asked once per start of a container with the reference as written in the pod.
type ImageModel interface {
	Image(ref string) Image
}

// ImageFunc is a function as an ImageModel.
type ImageFunc func(ref string) Image

// Image calls the function.
func (f ImageFunc) Image(ref string) Image { return f(ref) }

// ImageTable is an ImageModel of known references; all others exist and behave well.
type ImageTable map[string]Image

// Image looks the reference up.
func (t ImageTable) Image(ref string) Image { return t[ref] }

// DigestOf returns the digest of an image whose model names none: the one in the reference, or one derived from it.
func DigestOf(ref string) string {
	if _, digest, found := strings.Cut(ref, "@"); found {
		return digest
	}
	sum := sha256.Sum256([]byte(normalized(ref)))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// normalized completes a reference as container runtimes do, with the registry's host and the tag.
func normalized(ref string) string {
	first, _, found := strings.Cut(ref, "/")
	switch {
	case !found:
		ref = "docker.io/library/" + ref
	case !strings.ContainsAny(first, ".:") && first != "localhost":
		ref = "docker.io/" + ref
	}
	if strings.Contains(ref, "@") || strings.LastIndex(ref, ":") > strings.LastIndex(ref, "/") {
		return ref
	}
	return ref + ":latest"
}

// repository strips tag and digest from a normalized reference.
func repository(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if colon := strings.LastIndex(ref, ":"); colon > strings.LastIndex(ref, "/") {
		ref = ref[:colon]
	}
	return ref
}

// imageStore is the images of one node: for each digest the references that led to it.
type imageStore struct {
	refs   map[string][]string
	loaded map[string]bool
}

func newImageStore() *imageStore {
	return &imageStore{refs: map[string][]string{}, loaded: map[string]bool{}}
}

// has tells whether the node has an image by a name. What was pulled by a tag is there by its digest, too, and the tag beside a
// digest means nothing; only what was loaded on the node has no such name.
func (s *imageStore) has(digest, ref string) bool {
	_, found := slices.BinarySearch(s.refs[digest], normalized(ref))
	if found || !strings.Contains(ref, "@") || s.loaded[digest] {
		return found
	}
	return slices.ContainsFunc(s.refs[digest], func(other string) bool { return repository(other) == repository(normalized(ref)) })
}

// local returns the digest that the node has by a name.
func (s *imageStore) local(ref string) (digest string, found bool) {
	for digest := range s.refs {
		if s.has(digest, ref) && (!strings.Contains(ref, "@") || DigestOf(ref) == digest) {
			return digest, true
		}
	}
	return "", false
}

func (s *imageStore) add(digest, ref string, image Image) {
	for other := range s.refs {
		if at, found := slices.BinarySearch(s.refs[other], normalized(ref)); found && other != digest {
			// The tag has moved. By its digest the image is there as before.
			s.refs[other] = slices.Delete(s.refs[other], at, at+1)
			s.insert(other, repository(normalized(ref))+"@"+other)
		}
	}
	s.insert(digest, normalized(ref))
	s.loaded[digest] = image.DigestUnknown
}

func (s *imageStore) insert(digest, ref string) {
	refs := s.refs[digest]
	if at, found := slices.BinarySearch(refs, ref); !found {
		s.refs[digest] = slices.Insert(refs, at, ref)
	}
}

// names returns what a status says of an image: the first tag and the first repository with the digest, in
// alphabetical order over everything the node knows by that digest.
func (s *imageStore) names(digest, ref string) (image, imageID string) {
	image, imageID = normalized(ref), digest
	refs := s.refs[digest]
	if tagged := slices.IndexFunc(refs, hasTag); tagged >= 0 {
		image, _, _ = strings.Cut(refs[tagged], "@")
	}
	if len(refs) > 0 && !s.loaded[digest] {
		imageID = repository(refs[0]) + "@" + digest
	}
	return image, imageID
}

func hasTag(ref string) bool {
	name, _, _ := strings.Cut(ref, "@")
	return name != repository(ref)
}
