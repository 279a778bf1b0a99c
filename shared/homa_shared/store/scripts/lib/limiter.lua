--! use clock, events, shift
-- The limiter. A scope's quota is a GCRA per dimension (ITU-T I.371; one timestamp, the theoretical arrival time in us,
-- instead of a bucket), by the rows of model/limits.py: r requests, t total tokens, … Daily quotas are fixed windows that
-- end at `dayend`; concurrency is a count of leases. A scope without any configured limit is adaptive: it has a rate of its
-- own, raised a little while work waits and cut when the provider answers 429.
local SCOPE = {'conc', 'busy', 'frozen', 'frozen_at', 'probe', 'refused', 'ramp', 'dayn', 'rate', 'grown', 'acc', 'cut_at', 'cut_acc', 'top',
  'told_at', 'seen', 'tight', 'tight_at', unpack(C.SCOPE_FIELDS)}
local DIMENSIONS = C.DIMENSIONS
-- The one that is found from refusals where nothing is configured.
local ADAPTIVE
for _, dimension in ipairs(DIMENSIONS) do ADAPTIVE = dimension.adaptive and dimension or ADAPTIVE end
-- Adaptive mode: first rate (requests a second), how far below the measured rate it restarts, and how fast it probes.
local FIRST_RATE, RESTART, FIRST_CUT, PROBE_PER_S, SAME_EVENT_MS = 20, 0.98, 0.7, 0.005, 500
-- After a cut that could not be measured: how much of the way back to the rate that was cut is made up in a second.
local RECOVER_PER_S, NEAR_TOP = 0.3, 0.97
local REFUND_WINDOW_MS = 60000
-- How long headers are believed after the last reply that named limits, so that one odd reply slows the fleet for minutes only.
local TOLD_MS = 300000
-- A freeze that lasts longer lets one call through now and then, since what a provider asked for may be a slip.
local PROBE_EACH_MS = 60000
-- The rest after a 429 that named none (or less): first, and at most after refusals in a row, none of whose calls got through.
local LEAST_REST_MS, UNNAMED_REST_MS, LONGEST_REST_MS = 100, 1000, 60000

local scopes = {}

local function set(s, field, value)
  s[field] = value
  s.dirty[field] = true
end

-- Moves a scope's times back where the store's clock was set back. The end of its day is a date, and stays.
local function follow_clock(s)
  local ahead = ahead_ms(s.seen)
  if ahead == 0 then return end
  for _, field in ipairs({'frozen', 'frozen_at', 'probe', 'grown', 'cut_at', 'told_at', 'tight_at'}) do
    if (s[field] or 0) > 0 then set(s, field, s[field] - ahead) end
  end
  for _, dimension in ipairs(DIMENSIONS) do
    if s[dimension.letter] then set(s, dimension.letter, s[dimension.letter] - ahead * 1000) end
  end
  set(s, 'seen', now)
end

local function scope(name)
  local s = scopes[name]
  if not s then
    s = {name = name, dirty = {}}
    local values = redis.call('HMGET', K.scope(name), unpack(SCOPE))
    for i, field in ipairs(SCOPE) do s[field] = values[i] and tonumber(values[i]) or nil end
    follow_clock(s)
    scopes[name] = s
  end
  return s
end

local function save_scopes()
  for name, s in pairs(scopes) do
    if next(s.dirty) then set(s, 'seen', now) end
    local args = {}
    for field in pairs(s.dirty) do
      args[#args + 1] = field
      args[#args + 1] = s[field]
    end
    if #args > 0 then redis.call('HSET', K.scope(name), unpack(args)) end
    s.dirty = {}
  end
end

-- What headers allow in a dimension's period, while they are believed; nil where they say nothing.
local function told_limit(s, dimension)
  local told = dimension.told and s[dimension.told]
  return told and told > 0 and now - (s.told_at or 0) < TOLD_MS and told or nil
end

-- What a dimension allows in its period, or nil. Headers may lower a limit, never raise it.
local function limit_of(s, dimension)
  local limit = s[dimension.limit]
  local told = told_limit(s, dimension)
  if told and (not limit or told < limit) then limit = told end
  if not limit and dimension.adaptive and s.adaptive == 1 then limit = (s.rate or FIRST_RATE) * dimension.period_us / 1000000 end
  return limit
end

-- Quota that may be used at once, us. A provider that refuses calls below the limit counts otherwise than by a bucket, by
-- calendar seconds or minutes say: so each refusal halves the burst, down to an even pace, and ten calm minutes double it.
local function burst_us(s)
  local burst = s.burst or C.BURST_MS
  if s.tight then burst = math.min(burst, s.tight * 2 ^ ((now - (s.tight_at or now)) / 600000)) end
  return burst * 1000
end

local function tighten(s)
  set(s, 'tight', math.max(C.LEAST_BURST_MS, burst_us(s) / 2000))
  set(s, 'tight_at', now)
end

-- Whether a scope finds its rate of requests by itself.
local function is_adaptive(s)
  return s.adaptive == 1 and not s[ADAPTIVE.limit] and not told_limit(s, ADAPTIVE)
end

-- What a reply's headers say of the limits. A limit of tokens below what the reply itself took contradicts itself.
local function believe(s, requests, tokens, taken)
  if tokens < taken then tokens = 0 end
  if requests <= 0 and tokens <= 0 then return end
  set(s, 'hrpm', requests)
  set(s, 'htpm', tokens)
  set(s, 'told_at', now)
end

-- After a freeze quota opens slowly: from a tenth to the whole over as long as the freeze lasted (at most 5 s).
local function pace(s)
  if not s.frozen or not s.ramp or s.ramp <= 0 then return 1 end
  local since = now - s.frozen
  if since >= s.ramp then return 1 end
  return 0.1 + 0.9 * math.max(0, since) / s.ramp
end

-- How far a reservation moves the theoretical arrival time, us. No call holds others up for more than a period: one larger
-- than what headers told goes alone.
local function debit_us(dimension, amount, limit, speed)
  return math.min(amount * dimension.period_us / (limit * speed), dimension.period_us)
end

-- What any call takes of the dimensions that count requests.
local function one_request()
  local cost = {}
  for _, dimension in ipairs(DIMENSIONS) do
    if not dimension.record then cost[dimension.letter] = 1 end
  end
  return cost
end

-- What is asked for where only freeze, slots and day count.
local NO_COST = {}

-- What a job's call takes by dimension: its tokens, less those that the provider reads from its prompt cache and does not
-- count.
local function need_of(r, exempt)
  local cost = {}
  for _, dimension in ipairs(DIMENSIONS) do
    local amount = 1
    if dimension.record then
      amount = r[dimension.record]
      if amount and dimension.exempts then amount = math.max(0, amount - (exempt or 0)) end
    end
    cost[dimension.letter] = amount
  end
  return cost
end

-- The use of a call that was never sent.
local function nothing_used()
  local cost = {}
  for _, dimension in ipairs(DIMENSIONS) do cost[dimension.letter] = 0 end
  return cost
end

local function roll_day(s)
  if s.rpd and not s.dayend then set(s, 'dayend', (math.floor(now / DAY_MS) + 1) * DAY_MS) end
  if s.rpd and now >= s.dayend then
    set(s, 'dayend', s.dayend + DAY_MS * (math.floor((now - s.dayend) / DAY_MS) + 1))
    set(s, 'dayn', 0)
  end
end

-- Milliseconds until a frozen scope lets its next probe through; nil where the freeze is too short for one. A long freeze of
-- a worker of an earlier release, which set no time for it, is probed at once.
local function probe_in(s)
  if (s.probe or 0) > 0 then return math.max(0, s.probe - now) end
  return s.frozen - now > PROBE_EACH_MS and 0 or nil
end

-- Milliseconds until this cost (by dimension) may be reserved: 0 is now. Second value: what stands in the way.
-- nil when it never may, because it is larger than the limit that the settings name.
local function headroom(s, cost)
  if s.frozen and s.frozen > now and probe_in(s) ~= 0 then return s.frozen - now, 'frozen' end
  if s.conc and (s.busy or 0) >= s.conc then return 1000, 'concurrency' end
  local wait, what = 0, nil
  local speed = pace(s)
  for _, dimension in ipairs(DIMENSIONS) do
    local limit, amount = limit_of(s, dimension), cost[dimension.letter]
    if limit and amount and amount > 0 then
      local configured = s[dimension.limit]
      if dimension.record and configured and amount > configured then return nil, dimension.limit end
      local debit = debit_us(dimension, amount, limit, speed)
      -- One request larger than the burst is admitted at a full bucket, into debt.
      local tolerance = math.max(burst_us(s), debit)
      local over = math.max(s[dimension.letter] or 0, now_us) + debit - tolerance - now_us
      if over > wait then wait, what = over, dimension.limit end
    end
  end
  roll_day(s)
  if s.rpd and (s.dayn or 0) >= s.rpd then return s.dayend - now, 'rpd' end
  return math.ceil(wait / 1000), what
end

local function reserve(s, cost)
  local speed = pace(s)
  for _, dimension in ipairs(DIMENSIONS) do
    local letter = dimension.letter
    local limit, amount = limit_of(s, dimension), cost[letter]
    if limit and amount and amount > 0 then
      set(s, letter, math.max(s[letter] or 0, now_us) + debit_us(dimension, amount, limit, speed))
    end
  end
  -- Through a freeze this call is the probe.
  if s.frozen and s.frozen > now then set(s, 'probe', now + PROBE_EACH_MS) end
  if s.rpd then set(s, 'dayn', (s.dayn or 0) + (cost.r or 0)) end
  set(s, 'busy', (s.busy or 0) + 1)
end

-- Replaces a reservation by what was really used. Unused quota goes back only while the window that it was reserved in
-- still counts; what was used beyond it always counts.
local function settle_quota(s, reserved, actual, reserved_at)
  for _, dimension in ipairs(DIMENSIONS) do
    local name, limit = dimension.letter, limit_of(s, dimension)
    local surplus = (actual[name] or reserved[name] or 0) - (reserved[name] or 0)
    if limit and surplus ~= 0 and (surplus > 0 or now - reserved_at < REFUND_WINDOW_MS) then
      local arrival = (s[name] or now_us) + surplus * dimension.period_us / limit
      -- Under a limit that headers told debts of many calls would add up to hours.
      if limit == told_limit(s, dimension) then arrival = math.min(arrival, now_us + dimension.period_us) end
      set(s, name, arrival)
    end
  end
  -- A request that was never sent counts against no day; nor does it make room in one that has begun since.
  local same_day = not s.dayend or reserved_at >= s.dayend - DAY_MS
  if s.rpd and same_day and actual.r == 0 and reserved.r > 0 then set(s, 'dayn', math.max(0, (s.dayn or 0) - reserved.r)) end
end

-- Milliseconds until a call may pass after all that `headroom` told to wait for so long: the probe of a frozen scope.
local function until_probe(s, wait)
  local probe = s.frozen and s.frozen > now and probe_in(s)
  return probe and math.min(wait, math.max(1, probe)) or wait
end

-- A call that began then is not made yet: where it was the probe of a freeze, another one may be.
local function give_back_probe(s, began)
  if (s.frozen or 0) > now and s.probe == began + PROBE_EACH_MS then set(s, 'probe', now) end
end

-- Gives a concurrency slot back; true when it was the last one taken.
local function free_slot(s)
  local was_full = s.conc and (s.busy or 0) >= s.conc
  set(s, 'busy', math.max(0, (s.busy or 0) - 1))
  return was_full
end

-- While work waits for an adaptive rate the rate grows: doubling each second until the first 429 ever; after a cut that
-- could not be measured quickly back towards the rate that was cut; else gently, and less gently the longer none came.
local function grow(s)
  if not is_adaptive(s) then return end
  local dt = math.min(now - (s.grown or now), 1000) / 1000
  local rate = s.rate or FIRST_RATE
  if s.top and rate < s.top * NEAR_TOP then
    rate = rate + (s.top - rate) * RECOVER_PER_S * dt
  elseif s.cut_at then
    local calm_s = (now - s.cut_at) / 1000
    rate = rate * (1 + PROBE_PER_S * dt * math.max(1, calm_s / 10))
  else
    rate = rate * 2 ^ dt
  end
  set(s, 'rate', rate)
  set(s, 'grown', now)
end

-- How long a scope rests after a 429 that asked for so many ms (negative: for nothing). What says nothing of use, such as
-- `Retry-After: 0` or a date that has passed, is answered by rests that double until a call gets through.
local function rest_after(s, retry_after)
  if retry_after >= UNNAMED_REST_MS then return retry_after end
  -- Where the rate is not known, what is in flight already will be refused too: a moment's rest spares most of that.
  local first = (retry_after < 0 and not is_adaptive(s)) and UNNAMED_REST_MS or LEAST_REST_MS
  return math.max(retry_after, math.min(first * 2 ^ math.min((s.refused or 1) - 1, 16), LONGEST_REST_MS))
end

-- Freezes a scope, unless it is frozen for longer already. What did it is kept for people, and told where it lasts.
local function freeze(s, rest, about)
  local left = (s.frozen or 0) - now
  if rest <= left then return end
  local was_frozen, becomes_long = left > 0, left <= PROBE_EACH_MS and rest > PROBE_EACH_MS
  set(s, 'frozen', now + rest)
  set(s, 'frozen_at', now)
  set(s, 'ramp', math.min(rest, 5000))
  set(s, 'frozen_why', about.detail)
  if becomes_long then
    set(s, 'probe', now + PROBE_EACH_MS)
  elseif not was_frozen then
    set(s, 'probe', 0)
  end
  if becomes_long or (rest >= UNNAMED_REST_MS and not was_frozen) then
    publish('scope.frozen', {target = s.name, job = about.job, detail = 'for ' .. int(rest) .. ' ms: ' .. about.detail})
  end
end

-- A freeze ends early: quota opens slowly, as after one that has run out.
local function thaw(s, why)
  publish('scope.unfrozen', {target = s.name, detail = int(s.frozen - now) .. ' ms early' .. why})
  set(s, 'frozen', now)
  set(s, 'refused', 0)
end

-- A call that began at that time got through. True when it was the probe of a freeze, which ends by it.
local function got_through(s, began)
  if (s.refused or 0) > 0 then set(s, 'refused', 0) end
  if (s.frozen or 0) <= now or began <= (s.frozen_at or 0) then return false end
  thaw(s, ': a call got through')
  return true
end

-- A 429: the whole fleet stops on this scope until Retry-After (ms; negative when the provider named none).
-- Between two 429s the provider's bucket was empty at both ends, so what it accepted in between is its true rate.
-- `about`: job, detail (who was refused, and what was asked for), began (of the refused call).
local function congest(s, retry_after, about)
  local adaptive = is_adaptive(s)
  -- What was in flight when the freeze began tells nothing new.
  if about.began > (s.frozen_at or 0) then
    set(s, 'refused', (s.refused or 0) + 1)
    if not adaptive then tighten(s) end
  end
  freeze(s, rest_after(s, retry_after), about)
  if not adaptive then return end
  local rate, accepted = s.rate or FIRST_RATE, s.acc or 0
  if s.cut_at and now - s.cut_at < SAME_EVENT_MS then return end
  if s.cut_at and accepted - s.cut_acc >= 20 then
    local measured = (accepted - s.cut_acc) * 1000 / (now - s.cut_at)
    rate = math.min(rate * 0.95, measured * RESTART)
    set(s, 'top', 0)
  else
    set(s, 'top', rate)
    rate = rate * FIRST_CUT
  end
  set(s, 'rate', math.max(rate, 0.05))
  set(s, 'grown', now)
  set(s, 'cut_at', now)
  set(s, 'cut_acc', accepted)
end
