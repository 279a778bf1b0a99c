--! use clock, record, backlog, ending
-- The end of a batch before its lines'.
-- Gives: cancel_batch(id).

-- A flag that take and settle heed; the records of its lines end in slices (sweep.lua).
local function cancel_batch(id)
  local key = K.batch(id)
  redis.call('HDEL', key, 'paused', 'paused_why')
  redis.call('HSET', key, 'cancel', now)
  if not redis.call('HGET', key, 'lines') then redis.call('HSET', key, 'lines', redis.call('HGET', key, 'submitted')) end
  -- A batch still open when it is cancelled takes no more lines; what it has is all there will be.
  if redis.call('HGET', key, 'state') == 'open' then
    redis.call('HSET', key, 'state', 'sealed', 'total', redis.call('HGET', key, 'submitted'))
  end
  redis.call('ZADD', K.reasons(), now, 'cancel:' .. id)
  complete_batch(id)
end
