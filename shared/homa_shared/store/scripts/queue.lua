--! flags allow-oom
--! use clock, record, backlog
-- Pauses or resumes a queue: what waits in it is not taken, what runs goes on.
--
-- KEYS[1] anchor
-- ARGV: pause or resume, queue
-- Returns 1 when that changed something.
local order, queue = ARGV[1], ARGV[2]
redis.call('SADD', K.queues(), queue)
local changed
if order == 'pause' then
  changed = redis.call('HSETNX', K.queue(queue), 'paused', now)
else
  -- From when and till when: jobs that waited meanwhile tell of it.
  local since = redis.call('HGET', K.queue(queue), 'paused')
  changed = redis.call('HDEL', K.queue(queue), 'paused')
  if changed == 1 then redis.call('HSET', K.queue(queue), 'was_paused', since .. ' ' .. int(now)) end
  ring(queue, C.BELL_RINGS)
end
if changed == 1 then
  publish(order == 'pause' and 'queue.paused' or 'queue.resumed', {detail = queue})
end
return changed
