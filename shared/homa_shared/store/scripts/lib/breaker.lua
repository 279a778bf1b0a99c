--! use clock, events, shift
-- Circuit breakers of an account or a target, shared by the fleet. Closed: failures in a row are counted. Open: nothing is
-- dispatched until `until`. Half-open: one probe at a time; a good reply closes, a failure opens for twice as long.
-- Failures that follow one job, or one tenant while others get good replies, say nothing of the target: they open nothing.
local TRIP_AFTER, FIRST_OPEN_MS, LONGEST_OPEN_MS, PROBE_MS = 5, 5000, 60000, 30000
-- How long another tenant's good reply stands against one tenant's failures, and how often good replies are noted.
local WELL_MS, NOTE_EACH_MS = 30000, 2000
-- Stands for several jobs or tenants in `row_job` and `row_tn`: of the failures in a row.
local SEVERAL = '*'
local breakers = {}

local function keep(b)
  redis.call('HSET', K.breaker(b.name), 'state', b.state, 'fails', b.fails, 'until', b.till, 'open_ms', b.open_ms, 'probe', b.probe, 'why', b.why,
    'row_job', b.row_job or SEVERAL, 'row_tn', b.row_tn or SEVERAL, 'seen', now)
end

local function breaker(name)
  local b = breakers[name]
  if not b then
    local v = redis.call('HMGET', K.breaker(name), 'state', 'fails', 'until', 'open_ms', 'probe', 'why',
      'row_job', 'row_tn', 'good_tn', 'good_at', 'other_at', 'seen')
    b = {name = name, state = v[1] or 'closed', fails = number_of(v[2]) or 0, till = number_of(v[3]) or 0,
      open_ms = number_of(v[4]) or 0, probe = number_of(v[5]) or 0, why = v[6] or '',
      row_job = v[7], row_tn = v[8], good_tn = v[9], good_at = number_of(v[10]) or 0, other_at = number_of(v[11]) or 0}
    breakers[name] = b
    local ahead = ahead_ms(number_of(v[12]))
    if ahead > 0 then
      b.till, b.probe, b.good_at, b.other_at = b.till - ahead, b.probe - ahead, b.good_at - ahead, b.other_at - ahead
      keep(b)
      redis.call('HSET', K.breaker(name), 'good_at', b.good_at, 'other_at', b.other_at)
    end
  end
  return b
end

-- Milliseconds until a call may pass: 0 is now.
local function breaker_wait(b)
  if b.state == 'closed' then return 0 end
  if b.till > now then return b.till - now end
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
  b.state, b.open_ms, b.till, b.probe = 'open', for_ms, math.max(b.till, now + for_ms), 0
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

-- Notes whom a target answered well: the tenant of late, and when another one was.
local function note_good(b, tenant)
  if b.good_tn and b.good_tn ~= tenant then b.other_at = b.good_at end
  b.good_tn, b.good_at = tenant, now
  redis.call('HSET', K.breaker(b.name), 'good_tn', tenant, 'good_at', now, 'other_at', b.other_at, 'seen', now)
end

-- True when it closes. `tenant`: whose reply it was; nil of an account, which single failures do not open.
local function breaker_good(b, tenant)
  if tenant and (b.fails > 0 or now - b.good_at > NOTE_EACH_MS) then note_good(b, tenant) end
  if b.state ~= 'closed' then
    b.state, b.fails, b.till, b.open_ms, b.probe = 'closed', 0, 0, 0, 0
    b.why = ''
    keep(b)
    announce(b, 'breaker.closed', '')
    return true
  elseif b.fails > 0 then
    b.fails = 0
    keep(b)
  end
end

-- Whether the failures in a row may be the jobs' own fault: all are one job's, or one tenant's while others fare well.
local function follows_one(b)
  if b.row_job ~= SEVERAL then return true end
  if b.row_tn == SEVERAL then return false end
  local others_at = b.good_tn ~= b.row_tn and b.good_at or b.other_at
  return now - others_at < WELL_MS
end

local function join_row(b, job, tenant)
  if b.fails == 0 then
    b.row_job, b.row_tn = job, tenant
  else
    if b.row_job ~= job then b.row_job = SEVERAL end
    if b.row_tn ~= tenant then b.row_tn = SEVERAL end
  end
  b.fails = b.fails + 1
end

local function breaker_bad(b, why, said, job, tenant)
  join_row(b, job, tenant)
  if b.state == 'half-open' then
    breaker_open(b, math.min(math.max(b.open_ms, FIRST_OPEN_MS) * 2, LONGEST_OPEN_MS), why, said)
  elseif b.state == 'closed' and b.fails >= TRIP_AFTER and not follows_one(b) then
    breaker_open(b, FIRST_OPEN_MS, why, said)
  elseif b.state == 'closed' then
    keep(b)
  end
end
