--! flags allow-oom
--! use clock
-- Writes what take needs to know of targets: their scopes, and the limits of each scope.
--
-- KEYS[1] anchor
-- ARGV: a JSON array of {name, account, quota, real, exempts (1: cached tokens do not count), account_limits: {conc},
--       quota_limits: {…, those of C.CONFIGURED}}, or for a pool {name, members: [provider…]}, whose rows are named
--       `pool|provider`
-- Returns the number of targets. A limit that is gone is removed; the state of a scope (what is used of it) stays.
-- Ends of the same day differ by less than this: the clocks were changed in the provider's zone, or the zone in the settings.
-- By more, the writer's own clock is wrong.
local SAME_DAY_MS = 82800000

local function write_day_end(name, told)
  local present = tonumber(redis.call('HGET', K.scope(name), 'dayend') or 0)
  if present <= now then
    redis.call('HSET', K.scope(name), 'dayend', told, 'dayn', 0)
  elseif told > now and math.abs(told - present) < SAME_DAY_MS then
    redis.call('HSET', K.scope(name), 'dayend', told)
  end
end

local function configure(name, fields, limits)
  redis.call('SADD', K.scopes(), name)
  for _, field in ipairs(fields) do
    local value = limits[field]
    if value and value ~= cjson.null then
      if field == 'dayend' then write_day_end(name, value) else redis.call('HSET', K.scope(name), field, value) end
    elseif field ~= 'dayend' then
      redis.call('HDEL', K.scope(name), field)
    end
  end
end

local plans = cjson.decode(ARGV[1])
for _, plan in ipairs(plans) do
  redis.call('SADD', K.targets(), plan.name)
  if plan.members then
    redis.call('HSET', K.target(plan.name), 'members', table.concat(plan.members, ' '))
  else
    redis.call('HSET', K.target(plan.name), 'account', plan.account, 'quota', plan.quota, 'real', plan.real,
      'exempts', plan.exempts or 0)
    configure(plan.account, {'conc'}, plan.account_limits)
    configure(plan.quota, C.CONFIGURED, plan.quota_limits)
  end
end
return #plans
