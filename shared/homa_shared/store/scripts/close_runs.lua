--! flags allow-oom
--! use clock, record, backlog, ending, money, schedule, schedule_fire, schedule_alarm
-- Sums up runs that have ended: history, what they cost, alarms, and the run that waited for one.
-- Runs that go on for longer than usual are told of as late.
--
-- KEYS[1] anchor
-- ARGV: most runs
-- Returns {closed, alarms}, an alarm being {name, kind, detail}. Cost: O(runs · log N).
local MOST = tonumber(ARGV[1])
-- A run costs more than usual from this many times the median of those before it, of which there must be so many.
local DEAR, KNOWN = 3, 3

local function known_end(run, job)
  local v = redis.call('HMGET', K.job(job), 'st', 'co', 'un', 'en')
  if not v[1] or not ENDED[v[1]] then return nil end
  run.cost, run.unresolved = tonumber(v[2] or 0), tonumber(v[3] or 0)
  return v[1]
end

local function words_of_failure(job)
  local reply = redis.call('GET', K.reply(job))
  local known, told = pcall(cjson.decode, reply or '')
  return known and type(told) == 'table' and type(told.error) == 'table' and tostring(told.error.message) or ''
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
local function judge(id, s, tick, run)
  local key = K.schedule(id)
  if run.state == 'succeeded' then
    local usual = judge_cost(id, s, tick, run)
    redis.call('HSET', key, 'failures', 0, 'costs', with_latest(s.costs, run.cost or 0), 'spans', with_latest(s.spans, run.ended - run.fired))
    if usual and not run.late then redis.call('HDEL', key, 'alarm') end
    return
  end
  local failures = redis.call('HINCRBY', key, 'failures', 1)
  alarm(id, s, tick, 'failed', run.at .. ' ' .. run.state .. (run.detail and run.detail ~= '' and ': ' .. run.detail or ''))
  local most = tonumber(s.pause_after or 0)
  if most > 0 and failures >= most and s.state == 'active' then pause(id, s, failures .. ' runs in a row have failed') end
end

-- The run that has waited longest for this one.
local function start_queued(id, s)
  local tick = tonumber(redis.call('ZPOPMIN', K.schedule_queue(id))[1] or nil)
  local run = tick and run_of(id, tick)
  if not run then return end
  start_run(id, s, tick, run)
  put_run(id, tick, run)
  redis.call('HSET', K.schedule(id), 'live', int(tick))
  redis.call('HINCRBY', K.schedule(id), 'n.fired', 1)
  if now - run.due > C.LATE_MS then
    redis.call('HINCRBY', K.schedule(id), 'n.late', 1)
    alarm(id, s, tick, 'late', run.at .. ' waited ' .. int((now - run.due) / 1000) .. ' s for the run before it')
  end
end

local function count_backfill(run)
  local key = K.backfill(run.backfill)
  if redis.call('EXISTS', key) == 0 then return end
  redis.call('HINCRBY', key, 'live', -1)
  redis.call('HINCRBY', key, run.state == 'succeeded' and 'succeeded' or 'failed', 1)
end

local function close(id, tick, job)
  local s = load_schedule(id)
  local run = s and run_of(id, tick)
  if not run then return end
  local state = known_end(run, job)
  if not state then return end
  local closed_before = run.ended
  run.job, run.state, run.ended, run.values = job, state, now, nil
  if state ~= 'succeeded' and not run.detail then run.detail = string.sub(words_of_failure(job), 1, 200) end
  redis.call('HINCRBY', K.schedule(id), state == 'succeeded' and 'n.succeeded' or 'n.failed', 1)
  if run.backfill and not closed_before then count_backfill(run) end
  if run.by == 'tick' then judge(id, s, tick, run) end
  put_run(id, tick, run)
  if tonumber(s.live or nil) == tick then
    redis.call('HDEL', K.schedule(id), 'live')
    if s.state ~= 'paused' then start_queued(id, s) end
  end
end

local function parts(name)
  local id, tick, job = string.match(name, '^(.*):(%d+) (.*)$')
  return id, tonumber(tick), job
end

local ended = redis.call('ZRANGE', K.schedule_ended(), 0, MOST - 1)
for _, name in ipairs(ended) do
  close(parts(name))
  redis.call('ZREM', K.schedule_ended(), name)
  redis.call('ZREM', K.schedule_watch(), name)
end

-- Runs under watch: one that has ended was ended by a release that does not tell, and is closed next.
for _, name in ipairs(redis.call('ZRANGE', K.schedule_watch(), '-inf', now, 'BYSCORE', 'LIMIT', 0, MOST)) do
  local id, tick, job = parts(name)
  local s = load_schedule(id)
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
return {#ended, alarms}
