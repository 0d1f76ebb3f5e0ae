package kubelet

import (
	"container/heap"
	"time"
)

// timeline runs functions in the order of their due times, those due at the same time in the order they were added.
// While one runs, now is its due time.
type timeline struct {
	now   time.Time
	queue dueQueue
	added uint64
}

type due struct {
	at  time.Time
	seq uint64
	run func()
}

// after adds a function; a negative delay counts as none, so that time never runs backwards.
func (t *timeline) after(delay time.Duration, run func()) {
	t.added++
	heap.Push(&t.queue, due{at: t.now.Add(max(delay, 0)), seq: t.added, run: run})
}

// next tells when the earliest function is due; false means that none is left.
func (t *timeline) next() (time.Time, bool) {
	if len(t.queue) == 0 {
		return time.Time{}, false
	}
	return t.queue[0].at, true
}

// pop moves the clock to the earliest function and hands it out.
func (t *timeline) pop() func() {
	d := heap.Pop(&t.queue).(due)
	t.now = d.at
	return d.run
}

// dueQueue implements heap.Interface.
type dueQueue []due

func (q dueQueue) Len() int { return len(q) }

func (q dueQueue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].seq < q[j].seq
}

func (q dueQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

func (q *dueQueue) Push(x any) { *q = append(*q, x.(due)) }

func (q *dueQueue) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	(*q)[last] = due{} // the closure may hold a pod
	*q = (*q)[:last]
	return d
}
