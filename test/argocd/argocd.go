// Package argocd runs Lua scripts on an object in the way that Argo CD does: the object is a global, no libraries but a
// few are there, and what the script returns is taken as JSON.
package argocd

import (
	"context"
	"errors"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"
	"sigs.k8s.io/yaml"
)

// timeout is how long a script may run.
const timeout = time.Second

// Health is what a health script says of an object.
type Health struct {
	Status, Message string
}

// HealthOf runs a health script.
func HealthOf(ctx context.Context, script string, object map[string]any) (Health, error) {
	result, err := run(ctx, script, object)
	if err != nil {
		return Health{}, err
	}
	status, _ := result["status"].(string)
	message, _ := result["message"].(string)
	switch status {
	case "Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown":
		return Health{Status: status, Message: message}, nil
	}
	return Health{}, fmt.Errorf("%q is not a health", status)
}

// Actions are the scripts with which an object can be changed, as the configuration of Argo CD holds them.
type Actions struct {
	Discovery   string `json:"discovery.lua"`
	Definitions []struct {
		Name string `json:"name"`
		Lua  string `json:"action.lua"`
	} `json:"definitions"`
}

// ParseActions reads the configuration of actions.
func ParseActions(content []byte) (*Actions, error) {
	actions := &Actions{}
	return actions, yaml.UnmarshalStrict(content, actions)
}

// Enabled returns the names of the actions that an object can be told now.
func (a *Actions) Enabled(ctx context.Context, object map[string]any) (map[string]bool, error) {
	result, err := run(ctx, a.Discovery, object)
	if err != nil {
		return nil, err
	}
	enabled := map[string]bool{}
	for name, settings := range result {
		settings, _ := settings.(map[string]any)
		enabled[name] = settings["disabled"] != true
	}
	return enabled, nil
}

// Do returns what an action makes of an object.
func (a *Actions) Do(ctx context.Context, name string, object map[string]any) (map[string]any, error) {
	for _, action := range a.Definitions {
		if action.Name == name {
			return run(ctx, action.Lua, object)
		}
	}
	return nil, fmt.Errorf("there is no action %q", name)
}

// run returns the table that a script returns.
func run(ctx context.Context, script string, object map[string]any) (map[string]any, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		state.Push(state.NewFunction(open))
		state.Push(lua.LString(name))
		state.Call(1, 0)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	result, ok := fromLua(state.Get(-1)).(map[string]any)
	if !ok {
		return nil, errors.New("the script did not return a table")
	}
	return result, nil
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case string:
		return lua.LString(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case []any:
		list := state.NewTable()
		for _, item := range value {
			list.Append(toLua(state, item))
		}
		return list
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	}
	return lua.LNil
}

// fromLua returns a value as JSON knows it. An empty table may have been a list or a map; it becomes nothing.
func fromLua(value lua.LValue) any {
	switch value := value.(type) {
	case lua.LBool:
		return bool(value)
	case lua.LString:
		return string(value)
	case lua.LNumber:
		return int64(value)
	case *lua.LTable:
		return fromTable(value)
	}
	return nil
}

func fromTable(table *lua.LTable) any {
	if n := table.Len(); n > 0 {
		list := make([]any, n)
		for i := range n {
			list[i] = fromLua(table.RawGetInt(i + 1))
		}
		return list
	}
	var object map[string]any
	table.ForEach(func(key, item lua.LValue) {
		if object == nil {
			object = map[string]any{}
		}
		object[key.String()] = fromLua(item)
	})
	if object == nil {
		return nil
	}
	return object
}
