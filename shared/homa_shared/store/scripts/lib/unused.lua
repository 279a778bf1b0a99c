--! use clock
-- Scopes and targets that nothing was called by for as long as the ledger reaches back: their names, states and breakers go.
-- Whoever uses one again is told that it has no plan, and writes it.
-- Gives: sweep_unused(kept_ms).

-- Looked at in one call; one that is swept takes a look at all targets.
local LOOKED_AT = 50

local function forget_target(name)
  redis.call('DEL', K.target(name), K.breaker(name))
  redis.call('SREM', K.targets(), name)
end

-- A pool has a row of its own beside those of its members, which goes with the last of them: while one may be called, its
-- jobs stay where they are, and the members whose rows went write them again.
local function forget_pool_without_members(pool)
  for member in string.gmatch(redis.call('HGET', K.target(pool), 'members') or '', '%S+') do
    if redis.call('EXISTS', K.target(pool .. '|' .. member)) == 1 then return end
  end
  forget_target(pool)
end

-- Targets go with their scope: one without limits would be called without any.
local function forget_scope(name)
  for _, target in ipairs(redis.call('SMEMBERS', K.targets())) do
    local plan = redis.call('HMGET', K.target(target), 'account', 'quota')
    if plan[1] == name or plan[2] == name then
      forget_target(target)
      local pool = string.match(target, '^(.*)|[^|]*$')
      if pool then forget_pool_without_members(pool) end
    end
  end
  redis.call('DEL', K.scope(name), K.breaker(name))
  redis.call('SREM', K.scopes(), name)
end

local function sweep_unused(kept_ms)
  for _, name in ipairs(redis.call('SRANDMEMBER', K.scopes(), LOOKED_AT)) do
    local v = redis.call('HMGET', K.scope(name), 'seen', 'busy')
    local seen, busy = number_of(v[1]), number_of(v[2]) or 0
    if not seen then
      redis.call('HSET', K.scope(name), 'seen', now)
    elseif now - seen > kept_ms and busy <= 0 then
      return forget_scope(name)
    end
  end
end
