--! flags allow-oom
--! use clock, record, backlog, ending, batch_cancel, backfill_cancel
-- The life of an open batch (open_batch.lua): sealed with a total, complete; paused, resumed or cancelled on the way.
--
-- KEYS[1] anchor
-- ARGV: order, batch, then
--   seal    number of lines, then of inputs that could not be sent, and why the first one could not (of a schedule's batch)
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
  if tonumber(ARGV[4] or 0) > 0 then redis.call('HSET', key, 'unsent', ARGV[4], 'unsent_why', ARGV[5]) end
  complete_batch(id)
elseif order == 'pause' and state ~= 'complete' then
  redis.call('HSET', key, 'paused', now, 'paused_why', ARGV[3] or '')
  publish('batch.paused', {batch = id, detail = ARGV[3]})
elseif order == 'resume' then
  if redis.call('HDEL', key, 'paused', 'paused_why') > 0 then publish('batch.resumed', {batch = id}) end
  release('batch:' .. id, C.SLICE)
elseif order == 'cancel' and state ~= 'complete' then
  cancel_batches_of(id)
  cancel_batch(id, redis.call('HGET', key, 'state'))
end
return redis.call('HGET', key, 'state')
