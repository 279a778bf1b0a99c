--! flags allow-oom
--! use clock, backlog, limiter, congestion
-- Lifts a freeze by hand, of a quota scope or of all scopes of an account. Quota then opens slowly, as after a freeze that
-- has run out; who sleeps until its end is woken.
--
-- KEYS[1] anchor
-- ARGV: scope (`openai/gpt-6-luna`) or account (`openai`)
-- Returns the scopes that were frozen; nil when there is no such scope.
-- Cost: O(scopes + queues).
local named = ARGV[1]
-- A model's name may hold slashes of its own: `router/meta` is not the account of `router/meta/llama`.
local below = not string.find(named, '/', 1, true) and named .. '/'

local function frozen_scopes()
  local found = {}
  for _, name in ipairs(redis.call('SMEMBERS', K.scopes())) do
    local meant = name == named or (below and string.sub(name, 1, #below) == below)
    if meant and (scope(name).frozen or 0) > now then found[#found + 1] = name end
  end
  table.sort(found)
  return found
end

if redis.call('SISMEMBER', K.scopes(), named) == 0 then return false end
local frozen = frozen_scopes()
for _, name in ipairs(frozen) do thaw(scope(name), '') end
save_scopes()
-- A pool's queue waits for the scopes of all its members, so any queue may.
if #frozen > 0 then
  for _, queue in ipairs(redis.call('SMEMBERS', K.queues())) do ring(queue, C.BELL_RINGS) end
end
return frozen
