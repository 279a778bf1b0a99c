--! flags allow-oom
--! use clock, record, backlog, budget
-- Instances of the settings' budgets; writes nothing.
--
-- KEYS[1] anchor
-- ARGV: none
-- Returns {instance, spent, unresolved, reserved, cap, 1 when its period has turned} per instance, at most 500.
local rows = {}
for _, name in ipairs(redis.call('SRANDMEMBER', K.budgets(), 500)) do
  if redis.call('EXISTS', K.budget(name)) == 1 then
    local b = instance(name)
    local cap = cap_of(name) or tonumber(redis.call('HGET', K.budget(name), 'cap') or 0)
    rows[#rows + 1] = {name, int(b.spent), int(b.unres), int(b.reserved), int(cap), is_over(name) and 1 or 0}
  end
end
return rows
