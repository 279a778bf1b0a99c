--! flags allow-oom
-- Every queue with its counters; writes nothing.
--
-- KEYS[1] anchor
-- ARGV: none
-- Returns {queue, flat hash} per queue. Cost: O(queues).
local rows = {}
for _, queue in ipairs(redis.call('SMEMBERS', K.queues())) do rows[#rows + 1] = {queue, redis.call('HGETALL', K.queue(queue))} end
return rows
