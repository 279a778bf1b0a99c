--! flags allow-oom
--! use clock, record, backlog, ending
-- The life of an open batch (open_batch.lua): sealed with a total, complete; paused, resumed or cancelled on the way.
--
-- KEYS[1] anchor
-- ARGV: order, batch, then
--   seal    number of lines
--   pause   why; resume; cancel
-- Returns the batch's state after it, or '' when there is no such batch. Repeating an order changes nothing.
local order, id = ARGV[1], ARGV[2]
local key = K.batch(id)
local state = redis.call('HGET', key, 'state')

if not state then
  return ''
elseif order == 'seal' and state == 'open' then
  local v = redis.call('HMGET', key, 'lines', 'submitted')
  -- Who seals another client's batch may not have seen its last lines.
  local total = math.max(tonumber(ARGV[3]), tonumber(v[2] or 0))
  redis.call('HSET', key, 'state', 'sealed', 'total', int(total), 'lines', int(math.max(total, tonumber(v[1] or 0))))
  complete_batch(id)
elseif order == 'pause' and state ~= 'complete' then
  redis.call('HSET', key, 'paused', now, 'paused_why', ARGV[3] or '')
  publish('batch.paused', {batch = id, detail = ARGV[3]})
elseif order == 'resume' then
  if redis.call('HDEL', key, 'paused', 'paused_why') > 0 then publish('batch.resumed', {batch = id}) end
  release('batch:' .. id, C.SLICE)
elseif order == 'cancel' and state ~= 'complete' then
  redis.call('HDEL', key, 'paused', 'paused_why')
  if redis.call('HSET', key, 'cancel', now) > 0 then publish('batch.cancelled', {batch = id}) end
  if not redis.call('HGET', key, 'lines') then redis.call('HSET', key, 'lines', redis.call('HGET', key, 'submitted')) end
  -- A batch still open when it is cancelled takes no more lines; what it has is all there will be.
  if state == 'open' then redis.call('HSET', key, 'state', 'sealed', 'total', redis.call('HGET', key, 'submitted')) end
  redis.call('ZADD', K.reasons(), now, 'cancel:' .. id)
  complete_batch(id)
end
return redis.call('HGET', key, 'state')
