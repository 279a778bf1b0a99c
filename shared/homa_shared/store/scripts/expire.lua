--! flags allow-oom
--! use clock, record, backlog, ending, follow, holds, failover, overdue
-- Ends a slice of the jobs whose deadline passed while they waited: a part of the sweep, for whoever waits for a job while no
-- worker lives. What a worker does at the same time is done once.
--
-- KEYS[1] anchor
-- ARGV: none
-- Returns 1 when there may be more to do at once, else 0. Cost: O(slice · log N).

-- After a failover a job that waits may in fact be in flight at a worker that has not told of it yet; one that has been
-- silent for a whole lease has lost it anyway. Nothing is written about the failover: that is for those who hold leases.
local beat = redis.call('HMGET', K.beat(), 'run', 'born', 'last')
local failed_over = beat[1] and (beat[2] or beat[1] ~= server_run())
if failed_over and math.abs(now - (number_of(beat[3]) or 0)) <= C.LEASE_MS then return 0 end

local ids, effort = redis.call('ZRANGEBYSCORE', K.deadlines(), '-inf', now, 'LIMIT', 0, C.SLICE), 0
for _, id in ipairs(ids) do
  if effort >= C.SLICE then break end
  effort = effort + (expire(id) or 1)
end
return (#ids >= C.SLICE or effort >= C.SLICE) and 1 or 0
