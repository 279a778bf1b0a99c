--! use clock, record, orders, backlog, ending, follow, schedule
-- A tick becomes a run, or not, as its schedule says of runs that overlap.
-- Gives: fire(id, s, tick, run, before, behind), what became of it: fired, queued or skipped; cancel_run(id, tick, run).

-- Ends a run before its time.
local function cancel_run(id, tick, run)
  redis.call('ZREM', K.schedule_queue(id), int(tick))
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

local function fire(id, s, tick, run, before, behind)
  local live = s.live and s.overlap ~= 'allow' and run_of(id, tonumber(s.live))
  if live and goes_on(id, tonumber(s.live), live) then
    if s.overlap == 'cancel' then
      cancel_run(id, tonumber(s.live), live)
    elseif s.overlap == 'queue' and redis.call('ZCARD', K.schedule_queue(id)) < C.RUNS_QUEUED then
      run.state, run.fired = 'queued', now
      redis.call('ZADD', K.schedule_queue(id), tick, int(tick))
      put_run(id, tick, run)
      redis.call('HSET', K.schedule(id), 'last', int(tick))
      note_done(id, tick, before, behind)
      return 'queued'
    else
      return skip(id, s, tick, run, s.overlap == 'queue' and 'as many runs wait as may' or 'the run before it goes on')
    end
  end
  if not start_run(id, s, tick, run) and run_of(id, tick) then return 'fired' end
  put_run(id, tick, run)
  redis.call('HSET', K.schedule(id), 'last', int(tick), 'live', int(tick))
  redis.call('HINCRBY', K.schedule(id), 'n.fired', 1)
  note_done(id, tick, before, behind)
  return 'fired'
end
