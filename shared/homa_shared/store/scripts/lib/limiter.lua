--! use clock, shift
-- The limiter. A scope's quota is a GCRA per dimension (ITU-T I.371; one timestamp, the theoretical arrival time in us,
-- instead of a bucket), by the rows of model/limits.py: r requests, t total tokens, … Daily quotas are fixed windows that
-- end at `dayend`; concurrency is a count of leases. A scope without any configured limit is adaptive: it has a rate of its
-- own. What a 429 and the calls that get through after it change stands in congestion.lua.
local SCOPE = C.SCOPE_NUMBERS
local DIMENSIONS = C.DIMENSIONS
-- The one that is found from refusals where nothing is configured.
local ADAPTIVE
for _, dimension in ipairs(DIMENSIONS) do ADAPTIVE = dimension.adaptive and dimension or ADAPTIVE end
-- Requests a second that an adaptive scope begins with.
local FIRST_RATE = 20
local REFUND_WINDOW_MS = 60000
-- How long headers are believed after the last reply that named limits, so that one odd reply slows the fleet for minutes only.
local TOLD_MS = 300000
-- A freeze that lasts longer lets one call through now and then, since what a provider asked for may be a slip.
local PROBE_EACH_MS = 60000

local scopes = {}

local function set(s, field, value)
  s[field] = value
  s.dirty[field] = true
end

-- Moves a scope's times back where the store's clock was set back. The end of its day is a date, and stays.
local function follow_clock(s)
  local ahead = ahead_ms(s.seen)
  if ahead == 0 then return end
  for _, field in ipairs({'frozen', 'frozen_at', 'probe', 'grown', 'cut_at', 'told_at', 'lowered', 'tight_at', 'held_till'}) do
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
    -- A scope has a few of all fields that it may have.
    local flat = redis.call('HGETALL', K.scope(name))
    for i = 1, #flat, 2 do
      local field = flat[i]
      if SCOPE[field] then s[field] = number_of(flat[i + 1]) elseif field == 'held' then s.held = flat[i + 1] end
    end
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

-- Whether a scope finds its rate of requests by itself.
local function is_adaptive(s)
  return s.adaptive == 1 and not s[ADAPTIVE.limit] and not told_limit(s, ADAPTIVE)
end

-- What a reply's headers say of the limits. A limit of tokens below what the reply itself took contradicts itself.
local function believe(s, requests, tokens, taken)
  if tokens < taken then tokens = 0 end
  if requests <= 0 and tokens <= 0 then return end
  local said = {hrpm = requests, htpm = tokens}
  for _, dimension in ipairs(DIMENSIONS) do
    local limit, before = dimension.told and said[dimension.told] or 0, limit_of(s, dimension)
    if limit > 0 and (not before or limit < before) then set(s, 'lowered', now) end
  end
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

-- How far a settlement moves the theoretical arrival time, us. A reservation is taken for what it was: never more than a
-- period, else debts of others would go back with it. So is what was used, under a limit that headers told. At a full
-- pace: what slow opening took beyond that stays.
local function settled_us(s, dimension, reserved, actual, limit)
  if actual > reserved and limit ~= told_limit(s, dimension) then return (actual - reserved) * dimension.period_us / limit end
  return debit_us(dimension, actual, limit, 1) - debit_us(dimension, reserved, limit, 1)
end

-- Replaces a reservation by what was really used. Unused quota goes back only while the window that it was reserved in
-- still counts, and not where headers have lowered a limit since: it was reserved as less than it is now, or not at all.
-- What was used beyond it always counts.
local function settle_quota(s, reserved, actual, reserved_at)
  local may_go_back = now - reserved_at < REFUND_WINDOW_MS and reserved_at >= (s.lowered or 0)
  for _, dimension in ipairs(DIMENSIONS) do
    local name, limit = dimension.letter, limit_of(s, dimension)
    local before = reserved[name] or 0
    local moved = limit and settled_us(s, dimension, before, actual[name] or before, limit) or 0
    if moved > 0 or (moved < 0 and may_go_back) then
      local arrival = (s[name] or now_us) + moved
      -- Under a limit that headers told debts of many calls would add up to hours.
      if limit == told_limit(s, dimension) then arrival = math.min(arrival, now_us + dimension.period_us) end
      set(s, name, arrival)
    end
  end
  -- A request that was never sent counts against no day; nor does it make room in one that has begun since. One that was
  -- refused before the last one counts, too.
  local same_day, more = not s.dayend or reserved_at >= s.dayend - DAY_MS, (actual.r or reserved.r) - reserved.r
  if s.rpd and same_day and (actual.r == 0 or more > 0) then set(s, 'dayn', math.max(0, (s.dayn or 0) + more)) end
end

-- Milliseconds until a call may pass after all that `headroom` told to wait for so long, and why: the probe of a frozen
-- scope. Where something else holds the probe itself, that is what there is to wait for.
local function until_probe(s, wait, why)
  local probe = why == 'frozen' and probe_in(s)
  return probe and probe > 0 and math.min(wait, probe) or wait
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
