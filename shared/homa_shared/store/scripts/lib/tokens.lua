--! use clock, record, backlog
-- Steps of flows that wait for an answer from outside.
-- Gives: release_expired(reason, n), which sends up to n whose token has expired back to their queues, for a worker to end them;
-- returns how many.
local function release_expired(reason, n)
  local ids = redis.call('ZRANGEBYSCORE', K.waiting(reason), '-inf', now, 'LIMIT', 0, n)
  for _, id in ipairs(ids) do
    local r = load_record(id)
    if r and r.st == 'waiting' then
      leave_waiting(id, r)
      make_ready(id, r)
      ring(r.q, 1)
    else
      redis.call('ZREM', K.waiting(reason), id)
    end
  end
  return #ids
end
