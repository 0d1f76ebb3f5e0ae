package inplace

import "strings"

const (
	// defaultTag is the tag of an image that names none.
	defaultTag = "latest"
	// anyTag stands in a reference for a tag where the template names a digest alone. Beside a digest runtimes ignore it.
	anyTag = "restarted"
)

// reference is an image, as a pod asks for it, in its parts.
type reference struct{ repository, tag, digest string }

func parseReference(image string) reference {
	r := reference{}
	r.repository, r.digest, _ = strings.Cut(image, "@")
	if colon := strings.LastIndex(r.repository, ":"); colon > strings.LastIndex(r.repository, "/") {
		r.repository, r.tag = r.repository[:colon], r.repository[colon+1:]
	}
	return r
}

// HasDigest tells whether an image names its digest, so that it is the same one wherever and whenever it is pulled.
func HasDigest(image string) bool { return parseReference(image).digest != "" }

// Pinned returns an image with a digest beside its tag. One that names a digest stays as it is.
func Pinned(image, digest string) string {
	r := parseReference(image)
	switch {
	case r.digest != "":
		return image
	case r.tag == "":
		r.tag = defaultTag
	}
	return r.repository + ":" + r.tag + "@" + digest
}

// Another returns an image of a digest by another name than the one that a container is asked by now. There are two names that
// mean the same, with the tag and without it: the kubelet restarts a container whose name of an image changed, and pulls
// nothing.
func Another(image, digest, now string) string {
	r, asked := parseReference(image), parseReference(now)
	if r.tag == "" && r.digest == "" {
		r.tag = defaultTag
	}
	if r.tag == "" {
		r.tag = anyTag
	}
	if asked.digest == digest && asked.tag != "" {
		return r.repository + "@" + digest
	}
	return r.repository + ":" + r.tag + "@" + digest
}

// StandsFor tells whether a pod that asks for an image may have got it for the one in its template: it is that one, or that
// one with a digest, where the template leaves that open.
func StandsFor(image, template string) bool {
	if image == template {
		return true
	}
	r, t := parseReference(image), parseReference(template)
	if t.tag == "" && t.digest == "" {
		t.tag = defaultTag
	}
	sameTag := r.tag == "" || r.tag == t.tag || (t.tag == "" && r.tag == anyTag)
	return r.repository == t.repository && r.digest != "" && sameTag && (t.digest == "" || t.digest == r.digest)
}

// SameContent tells whether two images are of the same digest in the same repository, by what they say.
func SameContent(a, b string) bool {
	left, right := parseReference(a), parseReference(b)
	return left.digest != "" && left.digest == right.digest && left.repository == right.repository
}

// RegistryDigest returns the digest by which a registry knows what has an imageID, or nothing if none does: an image that was
// loaded on a node, or built there, has only the digest of its configuration.
func RegistryDigest(imageID string) string {
	_, digest, _ := strings.Cut(imageID, "@")
	return digest
}
