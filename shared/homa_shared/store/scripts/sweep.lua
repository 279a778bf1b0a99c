--! flags allow-oom
--! use clock, record, orders, backlog, ending, attempt, follow, holds, failover, due, overdue, set_back, trimming
-- The fleet's housekeeping, in bounded slices: leases that ran out, jobs that became due, deadlines, reasons that passed,
-- batches that were cancelled, cost that stayed unresolved for too long, retention. Any worker may call it; one call each
-- half second does the work.
--
-- KEYS[1] anchor
-- ARGV: largest slice, lease_ms
-- Returns {recovered, promoted, expired, released, cancelled, more}: more is 1 when a slice was full. Cost: O(slice · log N).
local SLICE, LEASE_MS = tonumber(ARGV[1]), tonumber(ARGV[2])
local recovered, promoted, expired, released, cancelled = 0, 0, 0, 0, 0

-- After a failover a job that waits may in fact be in flight, and a lease that seems lost may be held.
if held_after_failover(LEASE_MS) > 0 then return {0, 0, 0, 0, 0, 0} end

local beat = redis.call('HMGET', K.beat(), 'swept', 'grace', 'more', 'trimmed', 'last', 'batches')
for i = 1, 6 do beat[i] = number_of(beat[i]) end
-- Spans without their sign: a store whose clock was set back does not stand still until it has caught up.
if beat[1] and math.abs(now - beat[1]) < C.SWEEP_EACH_MS and beat[3] ~= 1 then return {0, 0, 0, 0, 0, 0} end

local function recover(id, attempt)
  local r = load_record(id)
  -- Where the record has no number of its attempt, the lease has.
  if r and r.at == 0 then r.at = attempt end
  if not (r and r.st == 'running' and r.at == attempt) then
    redis.call('ZREM', K.leases(), id .. ':' .. int(attempt))
    return
  end
  recovered = recovered + 1
  local px = (r.px or 0) + 1
  redis.call('HSET', K.job(id), 'px', px)
  end_attempt(id, r, {outcome = 'lost', charge = r.kd == 'm' and 'none' or 'unresolved', health = '',
    note = cjson.encode({error = 'lease expired: its worker died, froze or lost the store'})})
  if r.cx or (r.ba and redis.call('HEXISTS', K.batch(r.ba), 'cancel') == 1) then
    end_job(id, r, 'cancelled', nil, 'cancelled; its worker was lost')
  elseif px >= C.POISON_LEASES then
    end_job(id, r, 'failed', nil, 'poisoned: its worker was lost ' .. px .. ' times')
  elseif r.oa == 'fail' and not r.sw then
    end_job(id, r, 'failed', nil, 'ambiguous: its worker was lost, and on_ambiguous is fail')
  elseif r.mx and r.tr >= r.mx and r.kd ~= 'm' then
    end_job(id, r, 'failed', nil, 'lost: its worker was lost at the last of ' .. int(r.mx) .. ' attempts')
  elseif r.dl and r.dl <= now then
    end_job(id, r, 'expired', nil, 'its deadline passed')
  else
    make_ready(id, r)
    ring(r.q, 1)
    emit('job.recovered', id, r, 'attempt ' .. int(attempt) .. ' lost')
    return
  end
  return after_failure(id, r)
end

local full = false
-- Acts on each, as far as a slice of effort goes; `act` returns what it took where that was more than usual.
local function each(ids, act)
  local effort = 0
  for _, id in ipairs(ids) do
    if effort >= SLICE then break end
    effort = effort + (act(id) or 1)
  end
  if #ids >= SLICE or effort >= SLICE then full = true end
end

-- After a gap in everybody's beats nobody's lease is judged before its holder had the time to say that it lives (as renew
-- does, should housekeeping be the first to come back).
beat[2] = move_back(beat[5], LEASE_MS) or beat[2]
if beat[5] and math.abs(now - beat[5]) > LEASE_MS / 2 then
  beat[2] = now + LEASE_MS
  redis.call('HSET', K.beat(), 'grace', beat[2], 'last', now)
end

if now >= (beat[2] or 0) then
  each(redis.call('ZRANGEBYSCORE', K.leases(), '-inf', now, 'LIMIT', 0, SLICE), function(name)
    local id, attempt = string.match(name, '^(.*):(%d+)$')
    return recover(id, tonumber(attempt))
  end)
end

each(due_jobs(SLICE), function(id)
  if promote(id) then promoted = promoted + 1 end
end)

each(redis.call('ZRANGEBYSCORE', K.deadlines(), '-inf', now, 'LIMIT', 0, SLICE), function(id)
  local effort = expire(id)
  if effort then expired = expired + 1 end
  return effort
end)

local function sweep_cancelled(batch)
  local key = K.batch(batch)
  local v = redis.call('HMGET', key, 'swept', 'lines', 'cancel_why')
  local cursor, lines = number_of(v[1]) or 0, number_of(v[2]) or 0
  local why = 'its batch was cancelled' .. (v[3] and ': ' .. v[3] or '')
  local stop, effort = math.min(cursor + SLICE, lines), 0
  for line = cursor, stop - 1 do
    if effort >= SLICE then
      stop = line
      break
    end
    local id = redis.call('HGET', K.batch_lines(batch), line) or (batch .. '-' .. line)
    local r = load_record(id)
    if r and not ENDED[r.st] then
      if r.st == 'running' then
        redis.call('HSET', K.job(id), 'cx', 1)
        order_cancel(id, r)
      else
        withdraw(id, r)
        end_job(id, r, 'cancelled', nil, why)
        effort = effort + after_failure(id, r)
        cancelled = cancelled + 1
      end
    end
  end
  redis.call('HSET', key, 'swept', stop)
  if stop < lines then full = true else redis.call('ZREM', K.reasons(), 'cancel:' .. batch) end
end

local function sweep_reason(reason)
  local kind, name = string.match(reason, '^(%a+):(.*)$')
  if kind == 'cancel' then return sweep_cancelled(name) end
  if redis.call('EXISTS', K.waiting(reason)) == 0 then
    redis.call('ZREM', K.reasons(), reason)
  elseif kind == 'batch' then
    local flags = redis.call('HMGET', K.batch(name), 'paused', 'cancel')
    if not flags[1] or flags[2] then
      local n = release(reason, SLICE)
      released = released + n
      if n >= SLICE then full = true end
    end
  elseif kind == 'budget' then
    local cap, b, over = cap_of(name), instance(name), is_over(name)
    if over or not cap or cap > b.spent + b.unres + b.reserved then
      released = released + release(reason, (over or not cap) and SLICE or 16)
    end
  elseif kind == 'token' then
    -- Steps whose token has expired: a worker ends them.
    released = released + release_jobs(reason, redis.call('ZRANGEBYSCORE', K.waiting(reason), '-inf', now, 'LIMIT', 0, SLICE))
  elseif kind == 'follow' then
    local leader = redis.call('GET', K.leader(name))
    local state = leader and redis.call('HGET', K.job(leader), 'st')
    -- A leader whose reply is incomplete has no cache entry: its reply ends those who follow already.
    local source = redis.call('GET', K.cached(name)) or (state == 'succeeded' and leader)
    if source and redis.call('EXISTS', K.reply(source)) == 1 then
      if end_followers(name, source, SLICE) >= SLICE then full = true end
    elseif not state or ENDED[state] then
      released = released + hand_over(name)
    end
  end
end
-- When a budget's period turns, each of its tenants has a reason of its own.
local REASONS = 200
local reasons, moved = redis.call('ZRANGE', K.reasons(), 0, REASONS - 1), released + cancelled
for _, reason in ipairs(reasons) do
  -- What one call releases or cancels is bounded over all reasons; the rest comes first in the next.
  if released + cancelled >= SLICE then
    full = true
    break
  end
  sweep_reason(reason)
  -- Reasons take turns when there are more than one call looks at.
  redis.call('ZADD', K.reasons(), 'XX', now, reason)
end
if #reasons == REASONS and released + cancelled > moved then full = true end

-- Cost that stayed unresolved for as long as the settings say: it counts at its bound, or not at all. Where they say nothing,
-- at its bound when the ledger's retention ends: nobody could settle it any more, and a total budget would never let go of it.
local after = kept_setting('unresolved.after')
local patience = after or kept_setting('keep.ledger') or C.LEDGER_KEPT_MS
local counts_as = after and redis.call('HGET', K.config(), 'unresolved.as') or 'bound'
each(redis.call('ZRANGEBYSCORE', K.unresolved(), '-inf', now - patience, 'LIMIT', 0, SLICE), function(name)
  local id, attempt = string.match(name, '^(.*):(%d+)$')
  local r, past = load_record(id), redis.call('HGET', K.attempts(id), attempt)
  past = past and cjson.decode(past)
  local nano = '0'
  -- Of a call whose price nobody knows no bound is known either: it stays unpriced, never free.
  if counts_as ~= 'none' and past then nano = past.unpriced == 0 and past.unres or '' end
  if r and resolve_attempt(id, r, tonumber(attempt), {outcome = 'resolved', nano = nano}) then
    local why = after and '' or ': the retention of the ledger has ended'
    emit('attempt.resolved', id, r, 'attempt ' .. attempt .. ' as ' .. counts_as .. why)
  elseif r then
    unmark_open(id, r, tonumber(attempt))
  else
    redis.call('ZREM', K.unresolved(), name)
  end
end)

if trim_old(SLICE, beat) then full = true end
redis.call('HSET', K.beat(), 'swept', now, 'more', full and 1 or 0)
return {recovered, promoted, expired, released, cancelled, full and 1 or 0}
