--! flags allow-oom
--! use clock, record, backlog, ending
-- Drops ordinary messages that wait in a queue or are due there later. Jobs are left alone.
--
-- KEYS[1] anchor
-- ARGV: queue, lane names…
-- Returns how many were dropped: at most 500 that wait and, of the 500 that are due first, the queue's.
local SLICE = C.SLICE
local queue, dropped = ARGV[1], 0

local function drop(id)
  local r = load_record(id)
  if r and r.kd == 'm' and r.q == queue and not ENDED[r.st] and r.st ~= 'running' then
    withdraw(id, r)
    end_job(id, r, 'cancelled', '{}', 'flushed')
    redis.call('ZREM', K.ended(), id)
    redis.call('DEL', K.job(id), K.request(id), K.reply(id), K.attempts(id))
    dropped = dropped + 1
  end
end

for i = 2, #ARGV do
  if dropped < SLICE then
    for _, id in ipairs(redis.call('ZRANGE', K.backlog(queue, ARGV[i], C.ACTOR_TARGET, ''), 0, SLICE - dropped - 1)) do drop(id) end
  end
end
for _, id in ipairs(redis.call('ZRANGE', K.due(), 0, SLICE - 1)) do drop(id) end
return dropped
