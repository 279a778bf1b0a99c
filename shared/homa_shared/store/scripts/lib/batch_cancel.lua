--! use clock, record, backlog, ending
-- Gives: cancel_batch(id, state), which flags a batch that is not complete; take and settle heed the flag, and the sweep ends what
-- waits, in slices.
local function cancel_batch(id, state)
  local key = K.batch(id)
  redis.call('HDEL', key, 'paused', 'paused_why')
  if redis.call('HSET', key, 'cancel', now) > 0 then publish('batch.cancelled', {batch = id}) end
  if not redis.call('HGET', key, 'lines') then redis.call('HSET', key, 'lines', redis.call('HGET', key, 'submitted')) end
  -- A batch still open when it is cancelled takes no more lines; what it has is all there will be.
  if state == 'open' then redis.call('HSET', key, 'state', 'sealed', 'total', redis.call('HGET', key, 'submitted')) end
  redis.call('ZADD', K.reasons(), now, 'cancel:' .. id)
  complete_batch(id)
end
