--! use clock, record
-- Gives: flag_cancelled(id, state, why), for a batch that is not complete: take and settle heed the flag, and the sweep ends what
-- waits, in slices. `why` is nil where somebody asked for it.
local function flag_cancelled(id, state, why)
  local key = K.batch(id)
  redis.call('HDEL', key, 'paused', 'paused_why')
  if redis.call('HSET', key, 'cancel', now) > 0 then
    if why then redis.call('HSET', key, 'cancel_why', why) end
    publish('batch.cancelled', {batch = id, detail = why})
  end
  if not redis.call('HGET', key, 'lines') then redis.call('HSET', key, 'lines', redis.call('HGET', key, 'submitted')) end
  -- A batch still open when it is cancelled takes no more lines; what it has is all there will be.
  if state == 'open' then redis.call('HSET', key, 'state', 'sealed', 'total', redis.call('HGET', key, 'submitted')) end
  redis.call('ZADD', K.reasons(), now, 'cancel:' .. id)
end
