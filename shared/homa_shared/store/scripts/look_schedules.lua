--! flags allow-oom
--! use clock, failover, lease_of_looks
-- What is due of schedules, for whoever looks after them: one worker at a time, which is a saving and no lock.
--
-- KEYS[1] anchor
-- ARGV: worker, lease_ms, most ticks, for how long others leave it to this worker (ms)
-- Returns {now, wait_ms, work, ticks, backfills, own}: wait_ms until something is due (-1: nothing is scheduled); work is 1 where runs
-- are to be closed (close_runs.lua), -1 where there is nothing for this worker to do for wait_ms; a tick is
-- {schedule, gen, tick, due, last, created, timing, jitter, holes, missed}; a backfill {backfill, schedule, gen, cursor, until,
-- timing, holes, eras, room}; own is 1 for each queue of Homa's own that the fleet ever had: deliveries, batches. Cost: O(ticks · log N).
local worker, most, hold = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local own = redis.call('SMISMEMBER', K.queues(), C.DELIVERIES, C.BATCH_RUNS)
local held = held_after_failover(tonumber(ARGV[2]))
if held > 0 then return {now, held, -1, {}, {}, own} end
local left = others_look(worker, hold)
if left > 0 then return {now, left, -1, {}, {}, own} end

local soonest = nil
local function sooner(ms) if not soonest or ms < soonest then soonest = math.max(0, ms) end end

local ticks = {}
local due = redis.call('ZRANGE', K.schedules(), '-inf', now, 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES')
for i = 1, #due, 2 do
  local v = redis.call('HMGET', K.schedule(due[i]), 'next', 'last', 'created', 'timing', 'jitter', 'holes', 'missed', 'gen')
  if v[1] then
    ticks[#ticks + 1] = {due[i], v[8] or '0', v[1], due[i + 1], v[2] or '', v[3], v[4], v[5] or '0', v[6] or '[]', v[7]}
  else
    redis.call('ZREM', K.schedules(), due[i])
  end
end
local first = redis.call('ZRANGE', K.schedules(), 0, 0, 'WITHSCORES')
if first[2] then sooner(tonumber(first[2]) - now) end

local watched = redis.call('ZRANGE', K.schedule_watch(), 0, 0, 'WITHSCORES')
if watched[2] then sooner(tonumber(watched[2]) - now) end
local work = redis.call('EXISTS', K.schedule_ended(), K.deliveries_ended(), K.webhooks_due()) > 0 or (watched[2] and tonumber(watched[2]) <= now)

-- Backfills take turns, some at each look.
local BACKFILLS = 4
local backfills = {}
for _, id in ipairs(redis.call('ZRANGE', K.backfills(), 0, BACKFILLS - 1)) do
  local b = redis.call('HMGET', K.backfill(id), 'schedule', 'cursor', 'until', 'live', 'window')
  local s = b[1] and redis.call('HMGET', K.schedule(b[1]), 'timing', 'holes', 'gen', 'eras') or {}
  redis.call('ZADD', K.backfills(), now, id)
  backfills[#backfills + 1] = {id, b[1] or '', s[3] or '0', b[2] or '0', b[3] or '0', s[1] or '', s[2] or '[]', s[4] or '{}',
    int(math.max(0, tonumber(b[5] or 0) - tonumber(b[4] or 0)))}
end
return {now, soonest and int(soonest) or -1, work and 1 or 0, ticks, backfills, own}
