--! flags allow-oom
--! use clock, record, backlog, ending, money, schedule, schedule_fire, schedule_queue, schedule_alarm, schedule_batch, schedule_delivery
-- Sums up runs that have ended: history, what they cost, alarms, deliveries, and the run that waited for one.
-- Runs that go on for longer than usual are told of as late.
--
-- KEYS[1] anchor
-- ARGV: most runs, percent of maxmemory (submit.lua)
-- Returns {closed, alarms}, an alarm being {name, kind, detail}. Cost: O(runs · log N).
local MOST, PERCENT = tonumber(ARGV[1]), tonumber(ARGV[2])
-- A run costs more than usual from this many times the median of those before it, of which there must be so many.
local DEAR, KNOWN = 3, 3

-- How a run ended, with the kind and words of what went wrong; nil where it goes on. A record that is gone is an ended job's whose
-- retention is over, or one that was purged.
local function known_end(s, run, job)
  if run.fills then return end_of_batch(s, run) end
  local v = redis.call('HMGET', K.job(job), 'st', 'co', 'un')
  if not v[1] then return 'forgotten', '', 'its record was gone before anybody looked' end
  if not ENDED[v[1]] then return nil end
  run.cost, run.unresolved = tonumber(v[2] or 0), tonumber(v[3] or 0)
  if v[1] == 'succeeded' then return 'succeeded', '', nil end
  return v[1], failure_of(job)
end

local function judge_cost(id, s, tick, run)
  local cost, usual = run.cost or 0, median(s.costs)
  if #listed(s.costs) >= KNOWN and usual > 0 and cost > DEAR * usual then
    alarm(id, s, tick, 'cost', run.at .. ' cost ' .. usd(cost) .. ', more than ' .. DEAR .. ' times the usual ' .. usd(usual))
    return false
  end
  return true
end

-- What a scheduled run tells of its schedule; others' (a backfill's, one by hand) are their callers' to judge.
local function judge(id, s, tick, run, kind)
  local key = K.schedule(id)
  if run.state == 'succeeded' then
    local usual = judge_cost(id, s, tick, run)
    redis.call('HSET', key, 'failures', 0, 'costs', with_latest(s.costs, run.cost or 0), 'spans', with_latest(s.spans, run.ended - run.fired))
    -- What was not delivered is not delivered by the next run.
    if usual and not run.late and standing_alarm(id) ~= 'delivery' then redis.call('HDEL', key, 'alarm') end
    return
  end
  -- Neither says anything of what the schedule does: a person, or its next tick, ended the run, or nobody knows.
  if run.state == 'cancelled' or run.state == 'forgotten' then return end
  -- Money is there again when a period turns or a cap is raised: no reason to pause.
  if kind == 'budget' then
    alarm(id, s, tick, 'budget', run.at .. ' failed: ' .. run.detail)
    return
  end
  local failures = redis.call('HINCRBY', key, 'failures', 1)
  alarm(id, s, tick, 'failed', run.at .. ' ' .. run.state .. (run.detail and run.detail ~= '' and ': ' .. run.detail or ''))
  local most = tonumber(s.pause_after or 0)
  if most > 0 and failures >= most and s.state == 'active' then pause(id, s, failures .. ' runs in a row have failed') end
end

local function go_on_with_queue(id, s)
  local started = start_queued(id, s, PERCENT)
  local tick, run = unpack(started or {})
  if started and now - run.due > C.LATE_MS then
    redis.call('HINCRBY', K.schedule(id), 'n.late', 1)
    alarm(id, s, tick, 'late', run.at .. ' waited ' .. int((now - run.due) / 1000) .. ' s for the run before it')
  end
end

local function count_backfill(run)
  local key = K.backfill(run.backfill)
  -- Batches are no lines of the backfill's own: it counts them when they have ended.
  if run.fills and redis.call('EXISTS', K.batch(run.backfill)) == 1 then
    redis.call('HINCRBY', K.batch(run.backfill), 'submitted', 1)
    redis.call('HINCRBY', K.batch(run.backfill), run.state == 'forgotten' and 'failed' or run.state, 1)
    complete_batch(run.backfill)
  end
  if redis.call('EXISTS', key) == 0 then return end
  redis.call('HINCRBY', key, 'live', -1)
  if run.state ~= 'forgotten' then redis.call('HINCRBY', key, run.state == 'succeeded' and 'succeeded' or 'failed', 1) end
end

-- The count of a schedule that a run belongs to.
local function counted(state)
  return 'n.' .. (state == 'expired' and 'failed' or state)
end

-- True where it goes on: the message by which a batch was filled has ended, or a retry has begun.
local function close(id, tick, job)
  local s = load_schedule(id)
  local run = s and run_of(id, tick)
  if not run then
    -- The schedule was deleted: its batch has an end all the same.
    give_up_batch({job = job, fills = job})
    return
  end
  if run.fills then give_up_batch(run) end
  local state, kind, detail = known_end(s, run, job)
  if not state then return true end
  local closed_before = run.ended and run.state
  run.detail = detail and beginning(detail, 200)
  run.job, run.state, run.ended, run.values = job, state, now, nil
  -- A run that was retried counts as it ended last.
  if closed_before then redis.call('HINCRBY', K.schedule(id), counted(closed_before), -1) end
  redis.call('HINCRBY', K.schedule(id), counted(state), 1)
  if run.backfill and not closed_before then count_backfill(run) end
  if run.by == 'tick' then judge(id, s, tick, run, kind) end
  put_run(id, tick, run)
  if s.deliver then deliver(id, s, tick, run) end
  if tonumber(s.live or nil) == tick then
    redis.call('HDEL', K.schedule(id), 'live')
    s.live = nil
    go_on_with_queue(id, s)
  end
end

local function parts(name)
  local id, tick, job = string.match(name, '^(.*):(%d+) (.*)$')
  return id, tonumber(tick), job
end

-- What goes wrong with one run is its schedule's: the others are summed up all the same.
local function guarded(act, name)
  local id, tick, job = parts(name)
  local went, caught = pcall(act, id, tick, job, name)
  local s = not went and load_schedule(id)
  if s then halt(id, s, tick, int(tick) .. ' cannot be summed up: ' .. words_of_error(caught)) end
  return went, caught
end

local ended = redis.call('ZRANGE', K.schedule_ended(), 0, MOST - 1)
for _, name in ipairs(ended) do
  local went, goes_on_still = guarded(close, name)
  redis.call('ZREM', K.schedule_ended(), name)
  if not (went and goes_on_still) then redis.call('ZREM', K.schedule_watch(), name) end
end

-- Deliveries that somebody gave up: their worker, an operator, or the sweep, where they ended workers.
for _, name in ipairs(redis.call('ZRANGE', K.deliveries_ended(), 0, MOST - 1)) do
  pcall(give_up, name, failure_of(name))
  redis.call('ZREM', K.deliveries_ended(), name)
end

-- Runs under watch: one that has ended was ended by a release that does not tell, and is closed next.
local function look_at(id, tick, job, name)
  local s = load_schedule(id)
  if job == 'queue' then
    redis.call('ZREM', K.schedule_watch(), name)
    if s then go_on_with_queue(id, s) end
    return
  end
  local run = s and run_of(id, tick)
  if not run or run.ended then
    redis.call('ZREM', K.schedule_watch(), name)
  elseif not goes_on(id, tick, run) then
    redis.call('ZADD', K.schedule_ended(), now, name)
    redis.call('ZREM', K.schedule_watch(), name)
  else
    if not run.late and run.by == 'tick' then
      run.late = true
      put_run(id, tick, run)
      redis.call('HINCRBY', K.schedule(id), 'n.late', 1)
      alarm(id, s, tick, 'late', run.at .. ' has not ended after ' .. int((now - run.fired) / 1000) .. ' s')
    end
    redis.call('ZADD', K.schedule_watch(), now + 3600000, name)
  end
end

for _, name in ipairs(redis.call('ZRANGE', K.schedule_watch(), '-inf', now, 'BYSCORE', 'LIMIT', 0, MOST)) do
  if not guarded(look_at, name) then redis.call('ZREM', K.schedule_watch(), name) end
end
return {#ended, alarms}
