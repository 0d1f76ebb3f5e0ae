-- The health of a CloneSet for Argo CD, from what its conditions say.
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "the newest spec has not been looked at yet"}
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function is(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

local progressing = conditions["Progressing"]
if progressing == nil then
  return {status = "Progressing", message = "no condition has been reported yet"}
end

-- What neither moves nor is stuck nor complete waits for somebody: it is paused, or its partition is reached, or its pods
-- are to be deleted by hand.
local health = "Suspended"
if is("Stalled") then
  health = "Degraded"
elseif is("Reconciling") then
  health = "Progressing"
elseif progressing.reason == "Complete" then
  health = "Healthy"
end
return {status = health, message = progressing.reason .. ": " .. progressing.message}
