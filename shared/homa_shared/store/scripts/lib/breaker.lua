--! use clock, events, shift
-- Circuit breakers of an account or a target, shared by the fleet. Closed: failures in a row are counted. Open: nothing is
-- dispatched until `until`. Half-open: one probe at a time; a good reply closes, a failure opens for twice as long.
-- Failures that follow what is sent are not the target's: a job counts once, and one tenant's failures alone open nothing while
-- another tenant's calls get through.
local TRIP_AFTER, FIRST_OPEN_MS, LONGEST_OPEN_MS, PROBE_MS = 5, 5000, 60000, 30000
local keep, breaker
do
  -- `jobs`: those that failed in a row, a space behind each; `failing`: whose they are, '*' where several tenants'. `ok`, `ok_at`:
  -- tenant and time of a good reply of late; `other`, `other_at`: the same of another tenant. `denied`, `denied_at`: of an account,
  -- the target that was refused permission last.
  local breakers = {}
  local BREAKER = {'state', 'fails', 'until', 'open_ms', 'probe', 'why', 'seen', 'jobs', 'failing', 'ok', 'ok_at', 'other', 'other_at',
    'denied', 'denied_at'}
  local NUMBERS = {fails = true, ['until'] = true, open_ms = true, probe = true, seen = true, ok_at = true, other_at = true, denied_at = true}

  function keep(b)
    b.seen = now
    local args = {}
    for i, field in ipairs(BREAKER) do args[2 * i - 1], args[2 * i] = field, b[field] end
    redis.call('HSET', K.breaker(b.name), unpack(args))
  end

  function breaker(name)
    local b = breakers[name]
    if not b then
      local v = redis.call('HMGET', K.breaker(name), unpack(BREAKER))
      b = {name = name}
      for i, field in ipairs(BREAKER) do
        if NUMBERS[field] then b[field] = tonumber(v[i] or 0) else b[field] = v[i] or '' end
      end
      if b.state == '' then b.state = 'closed' end
      local ahead = ahead_ms(b.seen)
      if ahead > 0 then
        for _, field in ipairs({'until', 'probe', 'ok_at', 'other_at', 'denied_at'}) do b[field] = math.max(0, b[field] - ahead) end
        keep(b)
      end
      breakers[name] = b
    end
    return b
  end
end

-- Milliseconds until a call may pass: 0 is now.
local function breaker_wait(b)
  if b.state == 'closed' then return 0 end
  if b['until'] > now then return b['until'] - now end
  if b.probe > now then return b.probe - now end
  return 0
end

-- A call passes. From an open breaker whose time is up it is the probe.
local function breaker_pass(b)
  if b.state ~= 'closed' then
    b.state = 'half-open'
    b.probe = now + PROBE_MS
    keep(b)
  end
end

local function announce(b, name, detail)
  publish(name, {target = b.name, detail = detail})
end

-- `said`: what the provider told, for people.
local function breaker_open(b, for_ms, why, said)
  b.why = why .. (said or '')
  -- A signal that comes later never shortens what an earlier one asked for.
  b.state, b.open_ms, b['until'], b.probe = 'open', for_ms, math.max(b['until'], now + for_ms), 0
  keep(b)
  announce(b, 'breaker.opened', why .. ' for ' .. int(for_ms) .. ' ms' .. (said or ''))
end

-- A probe that told nothing (it was handed back, cut, or met a full quota) makes way for the next one at once.
-- True when this call, begun at that time, was it.
local function breaker_void(b, began)
  if b.state ~= 'half-open' or b.probe ~= began + PROBE_MS then return false end
  b.probe = 0
  keep(b)
  return true
end

local breaker_good, breaker_bad
do
  -- How long a good reply says that a target works, and how often one is noted.
  local WORKS_MS, NOTE_EACH_MS = 30000, 1000

  -- Whose calls get through of late.
  local function note_good(b, tenant)
    if b.ok ~= tenant then b.other, b.other_at = b.ok, b.ok_at end
    b.ok, b.ok_at = tenant, now
  end

  -- A good reply to a tenant's call; nil where nobody asks whose. True when it closes.
  function breaker_good(b, tenant)
    local was_open, failed = b.state ~= 'closed', b.fails > 0
    local note = tenant and math.abs(now - b.ok_at) >= NOTE_EACH_MS
    if not (was_open or failed or note) then return end
    if note then note_good(b, tenant) end
    b.fails, b.jobs, b.failing = 0, '', ''
    if was_open then b.state, b['until'], b.open_ms, b.probe, b.why = 'closed', 0, 0, 0, '' end
    keep(b)
    if was_open then announce(b, 'breaker.closed', '') end
    return was_open
  end

  local function works_for_others(b)
    return b.failing ~= '*' and ((b.ok ~= b.failing and now - b.ok_at < WORKS_MS) or (b.other ~= b.failing and now - b.other_at < WORKS_MS))
  end

  -- A tenant's job failed. A record names no job twice, and no more than it takes to open.
  local function count_failure(b, id, tenant)
    if string.find(' ' .. b.jobs, ' ' .. id .. ' ', 1, true) then return end
    if b.fails < TRIP_AFTER then b.jobs = b.jobs .. id .. ' ' end
    b.failing = (b.fails == 0 or b.failing == tenant) and tenant or '*'
    b.fails = b.fails + 1
  end

  function breaker_bad(b, why, said, id, tenant)
    count_failure(b, id, tenant)
    if b.state == 'half-open' then
      breaker_open(b, math.min(math.max(b.open_ms, FIRST_OPEN_MS) * 2, LONGEST_OPEN_MS), why, said)
    elseif b.state == 'closed' and b.fails >= TRIP_AFTER and not works_for_others(b) then
      breaker_open(b, FIRST_OPEN_MS, why, said)
    elseif b.state == 'closed' then
      keep(b)
    end
  end
end

-- A target was refused permission: that may be the model's own, so that the account opens only when a second one is.
local function breaker_denied(account, target, for_ms, why, said)
  breaker_open(target, for_ms, why, said)
  local again = account.denied ~= '' and account.denied ~= target.name and now - account.denied_at < for_ms
  account.denied, account.denied_at = target.name, now
  if again then breaker_open(account, for_ms, why, said) else keep(account) end
end
