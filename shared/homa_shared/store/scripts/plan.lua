--! flags allow-oom
--! use clock
-- Writes what take needs to know of targets: their scopes, and the limits of each scope.
--
-- KEYS[1] anchor
-- ARGV: a JSON array of {name, account, quota, real, exempts (1: cached tokens do not count), account_limits: {conc},
--       quota_limits: {…, those of C.CONFIGURED; dayend as a zone's offsets [[from ms, offset ms]…] from UTC}}, or for a pool {name, members: [provider…]}, whose rows are named
--       `pool|provider`
-- Returns the number of targets. A limit that is gone is removed; the state of a scope (what is used of it) stays.
-- An end of day as a number is that of an earlier release, by its own clock. Ends of the same day differ by less than this:
-- the clocks were changed in the provider's zone, or the zone in the settings. By more, the writer's clock is wrong.
local SAME_DAY_MS = 82800000

-- The next midnight by the store's clock, in a zone of these offsets: the writer's clock may be wrong by days.
local function midnight(offsets)
  local function offset_at(ms)
    local offset = offsets[1][2]
    for _, since in ipairs(offsets) do
      if since[1] <= ms then offset = since[2] end
    end
    return offset
  end
  local day = (math.floor((now + offset_at(now)) / DAY_MS) + 1) * DAY_MS
  -- Where the clocks are changed in between, that midnight's own offset counts.
  return day - offset_at(day - offset_at(now))
end

local function write_day_end(name, told)
  local present = tonumber(redis.call('HGET', K.scope(name), 'dayend') or 0)
  if type(told) == 'table' then
    redis.call('HSET', K.scope(name), 'dayend', int(midnight(told)))
    if present <= now then redis.call('HSET', K.scope(name), 'dayn', 0) end
  elseif present <= now then
    redis.call('HSET', K.scope(name), 'dayend', told, 'dayn', 0)
  elseif told > now and math.abs(told - present) < SAME_DAY_MS then
    redis.call('HSET', K.scope(name), 'dayend', told)
  end
end

local function configure(name, fields, limits)
  redis.call('SADD', K.scopes(), name)
  -- A new scope counts as unused from now on. That its plan is written again is no use of it: workers do that on and on.
  redis.call('HSETNX', K.scope(name), 'seen', now)
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
