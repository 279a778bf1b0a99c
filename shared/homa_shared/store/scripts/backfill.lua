--! use clock, record, backlog, ending, room, schedule, schedule_alarm
-- Moves a backfill on by a slice of ticks: each that had no run gets one, under the same name as the schedule itself would give
-- it. Nothing is done unless the cursor stands where the slice begins, so that two who move it on double nothing.
--
-- KEYS[1] anchor
-- ARGV: backfill, percent of maxmemory (submit.lua), where the cursor stands, 1 where these are the last ticks (stop: it
--       cannot go on, and why), generation of the definition that values were made for, then JSON per tick: {tick, at (for
--       people), before and behind (its neighbours), since, values, eras (earlier times by which it was a tick as well)}
-- Returns {answer, ticks that it came past}: moved, ended (its batch was cancelled, the schedule deleted, or it was stopped), stale, unknown. Cost: O(ticks · log N).
local id = ARGV[1]
local key = K.backfill(id)
local b = redis.call('HMGET', key, 'schedule', 'cursor', 'live', 'window')
if not b[1] then
  redis.call('ZREM', K.backfills(), id)
  return {'unknown', 0}
end
local function finish(state)
  redis.call('HSET', key, 'state', state)
  redis.call('ZREM', K.backfills(), id)
  redis.call('PEXPIRE', key, C.BUDGETS_KEPT_MS)
end
local s = load_schedule(b[1])
local batch = redis.call('HMGET', K.batch(id), 'cancel', 'state', 'lines', 'submitted', 'cap')
-- Nothing comes after this; its runs end by themselves. Those that are batches are counted as they end.
local function seal()
  local total = s and s.fills and redis.call('HGET', key, 'fired') or redis.call('HGET', K.batch(id), 'submitted')
  redis.call('HSET', K.batch(id), 'state', 'sealed', 'total', total or 0)
  complete_batch(id)
end
if not s or batch[1] or batch[2] ~= 'open' or ARGV[4] == 'stop' then
  -- Whoever waits for the batch is told of its end, whatever ended it.
  if batch[2] == 'open' then seal() end
  if s and ARGV[4] == 'stop' then alarm(b[1], s, tonumber(b[2]), 'broken', beginning('backfill ' .. id .. ' ended: ' .. ARGV[5], 300)) end
  finish('ended')
  return {'ended', 0}
end
if tonumber(b[2]) ~= tonumber(ARGV[3]) or s.gen ~= ARGV[5] then return {'stale', 0} end
local full = lack_of_room(tonumber(ARGV[2]))
if full then return full end

-- As many as the budget has room for should each cost as much as it may: none is refused for lack of it later.
local function affordable(live)
  local cap = tonumber(batch[5] ~= '' and batch[5] or nil)
  if not cap then return math.huge end
  local used = redis.call('HMGET', K.budget('batch:' .. id), 'spent', 'unres')
  local left = cap - tonumber(used[1] or 0) - tonumber(used[2] or 0)
  local bound = tonumber(cjson.decode(s.entry or '{}').bn or nil)
  if bound and bound > 0 then return math.floor(left / bound) - live end
  return left > 0 and math.huge or 0
end

local live, made, past, cursor, last = tonumber(b[3]), 0, 0, tonumber(b[2]), ARGV[4] == '1'
local room = math.min(tonumber(b[4]) - live, affordable(live))
if room <= 0 and live <= 0 and #ARGV >= 6 then
  finish('out of budget')
  seal()
  tell(s, 'backfill_stopped', 'its budget has no room for another run')
  return {'ended', 0}
end
for i = 6, #ARGV do
  if made >= room then
    last = false
    break
  end
  local t = cjson.decode(ARGV[i])
  local run = not is_done(b[1], t.tick, t.eras) and {at = t.at, due = t.tick, since = t.since, by = 'backfill', batch = id, backfill = id, values = t.values}
  if run and start_run(b[1], s, t.tick, run) then
    put_run(b[1], t.tick, run)
    note_done(b[1], t.tick, t.before, t.behind)
    made = made + 1
  else
    redis.call('HINCRBY', key, 'done_before', 1)
  end
  cursor, past = t.tick, past + 1
end
redis.call('HSET', key, 'cursor', int(cursor))
redis.call('HINCRBY', key, 'live', made)
redis.call('HINCRBY', key, 'fired', made)
if last then
  seal()
  finish('complete')
end
return {'moved', past}
