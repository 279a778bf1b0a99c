--! use clock, record, orders, backlog, ending, follow, money, budget, batch_cancel, schedule, schedule_alarm, schedule_queue
-- A tick becomes a run, or not, as its schedule says of runs that overlap.
-- Gives: fire(id, s, tick, run, before, behind), what became of it: fired, queued, skipped, or done (before); cancel_run(id, tick, run).

-- Ends a run before its time.
local function cancel_run(id, tick, run)
  redis.call('ZREM', K.schedule_queue(id), int(tick))
  local batch = run.fills and redis.call('HGET', K.batch(run.fills), 'state')
  if batch and batch ~= 'complete' then cancel_batch(run.fills, batch) end
  local r = run.job and load_record(run.job)
  if not r or ENDED[r.st] then return end
  if r.st == 'running' then
    redis.call('HSET', K.job(run.job), 'cx', 1)
    order_cancel(run.job, r)
  else
    withdraw(run.job, r)
    end_job(run.job, r, 'cancelled', nil, 'cancelled: the next tick of its schedule came')
    after_failure(run.job, r)
  end
end

local function skip(id, s, tick, run, why)
  run.state, run.detail, run.fired = 'skipped', why, now
  put_run(id, tick, run)
  redis.call('HINCRBY', K.schedule(id), 'n.skipped', 1)
  tell(s, 'skipped', run.at .. ', ' .. why)
  return 'skipped'
end

-- Words for a schedule's budget that has no room for another run, nil where it has. A run that would be refused is not made:
-- its tick stays one that had no run, which a backfill may make up for.
local function spent_budget(id, s)
  local cap = schedule_cap(id .. ':0')
  if not cap then return nil end
  local used, bound = instance(cap[1]), tonumber(cjson.decode(s.entry or '{}').bn or nil) or 0
  -- What a batch may cost nobody knows before it is read: what is left is for as many of its lines as that has room for.
  if used.spent + used.unres + math.max(bound, s.fills and 1 or 0) <= cap[2] then return nil end
  return 'its budget of ' .. usd(cap[2]) .. (cap[4] == 'total' and ' in total' or ' a ' .. cap[4]) .. ' has '
    .. usd(math.max(0, cap[2] - used.spent - used.unres)) .. ' left' .. (s.fills and '' or ', and a run may cost ' .. usd(bound))
end

local function skip_for_budget(id, s, tick, run, why)
  local standing = redis.call('HGET', K.schedule(id), 'alarm')
  if not standing or cjson.decode(standing).kind ~= 'budget' then alarm(id, s, tick, 'budget', run.at .. ' was skipped: ' .. why) end
  return skip(id, s, tick, run, why)
end

-- Puts a run in line behind the one that goes on.
local function enqueue(id, s, tick, run, before, behind)
  if redis.call('ZCARD', K.schedule_queue(id)) >= C.RUNS_QUEUED then return skip(id, s, tick, run, 'as many runs wait as may') end
  run.state, run.fired, run.gen = 'queued', now, s.gen
  redis.call('ZADD', K.schedule_queue(id), tick, int(tick))
  put_run(id, tick, run)
  redis.call('HSET', K.schedule(id), 'last', int(tick))
  note_done(id, tick, before, behind)
  return 'queued'
end

local function fire(id, s, tick, run, before, behind)
  -- A backfill was here before.
  if in_span(id, tick) then
    redis.call('HSET', K.schedule(id), 'last', int(tick))
    return 'done'
  end
  local spent = spent_budget(id, s)
  if spent then return skip_for_budget(id, s, tick, run, spent) end
  local live = s.live and s.overlap ~= 'allow' and run_of(id, tonumber(s.live))
  if live and goes_on(id, tonumber(s.live), live) then
    if s.overlap == 'queue' then return enqueue(id, s, tick, run, before, behind) end
    if s.overlap == 'skip' then return skip(id, s, tick, run, 'the run before it goes on') end
    cancel_run(id, tonumber(s.live), live)
  elseif s.overlap == 'queue' and redis.call('EXISTS', K.schedule_queue(id)) == 1 then
    -- Those that waited while it was paused, or the store was full, come first.
    queue_soon(id, now)
    return enqueue(id, s, tick, run, before, behind)
  end
  if not start_run(id, s, tick, run) and run_of(id, tick) then return 'fired' end
  put_run(id, tick, run)
  redis.call('HSET', K.schedule(id), 'last', int(tick), 'live', int(tick))
  redis.call('HINCRBY', K.schedule(id), 'n.fired', 1)
  note_done(id, tick, before, behind)
  return 'fired'
end
