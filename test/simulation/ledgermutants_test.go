package simulation

import (
	"encoding/json"
	"time"

	appsv1beta1 "github.com/insitu-dev/insitu/apis/apps/v1beta1"
	"github.com/insitu-dev/insitu/pkg/controller/cloneset/plan"
	"github.com/insitu-dev/insitu/pkg/inplace"
)

// ledgerMutants are broken in what they tell of updates.
func ledgerMutants() map[string]mutant {
	return map[string]mutant{
		"nothing is told of updates": {telling(func(*inplace.LastUpdate) *inplace.LastUpdate { return nil }), "I12"},
		"a drain that nobody saw is guessed": {telling(func(last *inplace.LastUpdate) *inplace.LastUpdate {
			guessed := last.Phases[appsv1beta1.UpdateStart]
			guessed.Duration += 2 * time.Second
			last.Phases[appsv1beta1.UpdateDrain] = guessed
			return last
		}), "I12"},
		"restarts are counted twice": {telling(func(last *inplace.LastUpdate) *inplace.LastUpdate {
			for name := range last.PlannedRestarts {
				last.PlannedRestarts[name] *= 2
			}
			return last
		}), "I12"},
		"restarts are not counted": {telling(func(last *inplace.LastUpdate) *inplace.LastUpdate {
			last.PlannedRestarts = nil
			return last
		}), "I12"},
	}
}

// telling has confirmations tell something else.
func telling(change func(*inplace.LastUpdate) *inplace.LastUpdate) planner {
	return func(in plan.Input) plan.Plan {
		p := plan.Compute(in)
		for i := range p.Actions {
			if p.Actions[i].Kind != plan.Confirm {
				continue
			}
			last := toldBy(p.Actions[i].Patch)
			if last.Phases == nil {
				continue
			}
			p.Actions[i].Patch = retold(p.Actions[i].Patch, change(last))
		}
		return p
	}
}

func retold(patch []byte, last *inplace.LastUpdate) []byte {
	decoded := map[string]any{}
	if err := json.Unmarshal(patch, &decoded); err != nil {
		panic(err)
	}
	text, err := json.Marshal(last)
	if err != nil {
		panic(err)
	}
	annotations := decoded["metadata"].(map[string]any)["annotations"].(map[string]any)
	annotations[appsv1beta1.LastUpdateAnnotation] = string(text)
	if patch, err = json.Marshal(decoded); err != nil {
		panic(err)
	}
	return patch
}
