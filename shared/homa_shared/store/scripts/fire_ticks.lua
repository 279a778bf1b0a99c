--! use clock, record, backlog, ending, failover, room, money, schedule, schedule_fire, schedule_alarm
-- Fires ticks that are due, each exactly once: nothing is done unless the tick is still its schedule's next one and the
-- store's time has reached it; else its run's job is submitted, noted in the history, and the next tick set, in one step.
--
-- KEYS[1] anchor
-- ARGV: lease_ms, percent of maxmemory (submit.lua), then JSON per tick: {id, gen (of the definition that values were made for), tick, at (for people), behind and behind_due (the tick
--       after it), values (what its variables stand for)}, and where more ticks are past: {latest, latest_due, latest_at,
--       latest_values, missed (how many before it), after, after_due (the first to come)}
-- Returns what became of each: fired, queued, skipped, done (by a backfill, before), early, waiting (for the run before it), stale (it was fired, paused or changed meanwhile); and alarms as
-- {name, kind, detail}. Cost: O(log N) a tick; some hundred ticks a call at most.
local answers = {}
if held_after_failover(tonumber(ARGV[1])) > 0 then
  for i = 3, #ARGV do answers[i - 2] = 'early' end
  return {answers, {}}
end
local full = lack_of_room(tonumber(ARGV[2]))
if full then return full end

-- How late the work of a tick begins. Of many that are made up for, the first is told of.
local function look_at_clock(id, s, t, late)
  if late <= C.LATE_MS then return end
  redis.call('HINCRBY', K.schedule(id), 'n.late', 1)
  local standing = redis.call('HGET', K.schedule(id), 'alarm')
  if standing and cjson.decode(standing).kind == 'late' then return end
  alarm(id, s, t.tick, 'late', t.at .. ' was due ' .. int(late / 1000) .. ' s before')
end

-- How soon a tick that waits for the run before it is looked at again.
local AGAIN_MS = 1000

-- Ticks that are made up for run one behind the other, whatever holds for runs that overlap: all of them are wanted.
local function waits_for_another(id, s)
  local live = s.live and run_of(id, tonumber(s.live))
  if not live or not goes_on(id, tonumber(s.live), live) then return false end
  redis.call('ZADD', K.schedules(), now + AGAIN_MS, id)
  return true
end

local function fire_tick(t)
  local s = load_schedule(t.id)
  local looked_at = tonumber(redis.call('ZSCORE', K.schedules(), t.id) or nil)
  if not s or not looked_at or s.state ~= 'active' or tonumber(s.next) ~= t.tick or s.gen ~= t.gen then return 'stale' end
  if looked_at > now then return 'early' end
  local due = tonumber(s.due)
  local run = {at = t.at, due = due, since = tonumber(s.last or s.created), by = 'tick', values = t.values}
  local before, late = tonumber(s.before or nil), now - due
  if s.missed == 'all' and late > C.LATE_MS and waits_for_another(t.id, s) then return 'waiting' end
  if not t.latest or s.missed == 'all' or late <= C.LATE_MS then
    look_at_clock(t.id, s, t, late)
    local answer = fire(t.id, s, t.tick, run, before, t.behind)
    reschedule(t.id, s, t.tick, t.behind, t.behind_due)
    return answer
  end
  -- Several are past. The latest stands for them, unless those that nobody was there for are to be left out.
  look_at_clock(t.id, s, t, late)
  local answer
  run.at, run.due, run.values = t.latest_at, t.latest_due, t.latest_values
  if s.missed == 'skip' and now - t.latest_due > C.LATE_MS then
    answer = skip(t.id, s, t.latest, run, 'missed, with ' .. int(t.missed) .. ' before it')
  else
    run.missed = t.missed
    answer = fire(t.id, s, t.latest, run, t.latest == t.tick and before or nil, t.after)
  end
  reschedule(t.id, s, t.latest, t.after, t.after_due)
  return answer
end

for i = 3, #ARGV do answers[i - 2] = fire_tick(cjson.decode(ARGV[i])) end
return {answers, alarms}
