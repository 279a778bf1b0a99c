--! flags allow-oom
--! use clock, limiter, breaker
-- What is used of each limit, reckoned by the limiter itself; writes nothing.
--
-- KEYS[1] anchor
-- ARGV: none
-- Returns rows {scope, dimension, limit, used, available, frozen_ms, adaptive rate a second as text or '', state, wait_ms,
-- frozen_why};
-- dimension is a limit's name (model/limits.py), concurrency or breaker. For quotas that open bit by bit `used` is what the bucket has not
-- recovered yet and `available` what may be reserved at once; state and wait_ms are the breaker's;
-- of a quota whose bursts were made smaller state says so.
local rows = {}

local function row(s, dimension, limit, used, available, state, wait)
  local frozen = s.frozen and math.max(0, s.frozen - now) or 0
  rows[#rows + 1] = {s.name, dimension, int(limit), int(used), int(available), int(frozen),
    is_adaptive(s) and string.format('%.3f', s.rate or FIRST_RATE) or '', state or '', int(wait or 0),
    frozen > 0 and redis.call('HGET', K.scope(s.name), 'frozen_why') or ''}
end

-- How much less may be used at once than the settings say, since calls below the limit were refused.
local function tightness(s)
  local usual, burst = s.burst or C.BURST_MS, burst_us(s) / 1000
  return burst < usual and 'bursts of ' .. int(burst) .. ' of ' .. int(usual) .. ' ms: refused below the limit' or ''
end

for _, name in ipairs(redis.call('SMEMBERS', K.scopes())) do
  local s = scope(name)
  for _, dimension in ipairs(DIMENSIONS) do
    local limit = limit_of(s, dimension)
    if limit then
      local used_us = math.max(0, (s[dimension.letter] or 0) - now_us)
      local free_us = math.max(0, math.max(burst_us(s), dimension.period_us / limit) - used_us)
      local available = math.floor(free_us * limit * pace(s) / dimension.period_us + 1e-6)
      row(s, dimension.limit, limit, math.ceil(used_us * limit / dimension.period_us - 1e-6), headroom(s, NO_COST) > 0 and 0 or available,
        tightness(s))
    end
  end
  if s.rpd then
    roll_day(s)
    row(s, 'rpd', s.rpd, s.dayn or 0, math.max(0, s.rpd - (s.dayn or 0)))
  end
  if s.conc or not string.find(name, '/', 1, true) then
    row(s, 'concurrency', s.conc or -1, s.busy or 0, s.conc and math.max(0, s.conc - (s.busy or 0)) or -1)
  end
end

local seen = {}
local function breaker_row(name)
  if seen[name] or redis.call('HEXISTS', K.breaker(name), 'state') == 0 then return end
  seen[name] = true
  local b = breaker(name)
  local wait = breaker_wait(b)
  row({name = name}, 'breaker', TRIP_AFTER, b.fails, wait == 0 and 1 or 0, b.state, wait)
end
for _, name in ipairs(redis.call('SMEMBERS', K.scopes())) do breaker_row(name) end
for _, name in ipairs(redis.call('SMEMBERS', K.targets())) do breaker_row(name) end
return rows
