package state

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestNewDirRefusesNamesThatAreNoFileNames(t *testing.T) {
	for _, name := range []string{"", "..", "a/b", "-a", "A", "a.lock"} {
		if dir, err := NewDir("/root", name); err == nil {
			t.Errorf("NewDir(%q) = %q, want an error", name, dir)
		}
	}
}

func TestIDFitsANetworkDevice(t *testing.T) {
	a, b := Dir("/a/.cluster/dev"), Dir("/b/.cluster/dev")
	if a.ID() == b.ID() || len(a.ID()) > 15 {
		t.Errorf("IDs = %s, %s: want different ones of at most 15 characters", a.ID(), b.ID())
	}
}

func TestRunningLockIsHeldUntilReleased(t *testing.T) {
	dir := Dir(t.TempDir())
	held, err := dir.LockRunning()
	if err != nil || held == nil {
		t.Fatalf("LockRunning() = %v, %v", held, err)
	}
	if again, err := dir.LockRunning(); err != nil || again != nil {
		t.Errorf("second LockRunning() = %v, %v, want nil", again, err)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := dir.AwaitStopped(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("AwaitStopped() = %v while the lock is held", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if err := dir.AwaitStopped(t.Context()); err != nil {
		t.Errorf("AwaitStopped() = %v after the release", err)
	}
}

func TestStatusSurvivesAndClearRemovesIt(t *testing.T) {
	dir := Dir(t.TempDir())
	if got, err := dir.ReadStatus(); got != nil || err != nil {
		t.Errorf("ReadStatus() = %v, %v before any was written", got, err)
	}
	if err := dir.WriteStatus(&Status{Supervisor: 7, Spec: Spec{Node: NodeNone}}); err != nil {
		t.Fatal(err)
	}
	if got, err := dir.ReadStatus(); err != nil || got.Supervisor != 7 || got.Spec.Node != NodeNone {
		t.Errorf("ReadStatus() = %v, %v", got, err)
	}
	if err := dir.Clear(); err != nil {
		t.Fatal(err)
	}
	if got, err := dir.ReadStatus(); got != nil || err != nil {
		t.Errorf("ReadStatus() = %v, %v after Clear", got, err)
	}
}
