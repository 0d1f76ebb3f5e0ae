package observe

import (
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// nameRest is how long the name of a pod that left is given to no other. Whoever waits for a pod to go by its name, as
// kubectl wait does, would take the new one for it; so would a reader of logs and metrics.
const nameRest = time.Hour

// leave takes note that a pod is on its way out, or gone. The next pass, which knows the time, adds it.
func (m *memory) leave(name string) { m.left[name] = time.Time{} }

// Resting returns the names of pods of a CloneSet that left not long ago. It forgets the others.
func (t *Tracker) Resting(owner types.UID, now time.Time) map[string]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.owners[owner]
	if m == nil || len(m.left) == 0 {
		return nil
	}
	maps.DeleteFunc(m.left, func(_ string, since time.Time) bool { return !since.IsZero() && now.Sub(since) > nameRest })
	names := make(map[string]bool, len(m.left))
	for name, since := range m.left {
		if since.IsZero() {
			m.left[name] = now
		}
		names[name] = true
	}
	return names
}
