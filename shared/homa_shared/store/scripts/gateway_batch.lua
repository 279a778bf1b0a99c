--! flags allow-oom
--! use clock, digests, gateway_file, gateway_told
-- The life of a batch of a file (docs/gateway.md), beside the lines that are promoted (promote_lines.lua) and answered
-- (answer_lines.lua): validating, in_progress, finalizing and its end; failed where its file is none of requests. Whoever
-- works on it holds it for a while, so that two gateways do not do the same; that nothing happens twice rests on the cursors.
--
-- KEYS[1] anchor
-- ARGV: order, batch, then
--   create      tenant, api, input file, digests of the request, ms until it expires, facts as JSON (fields, texts)
--   claim       most, ms to hold them (the batch is ignored)
--   rest        ms until somebody looks again
--   checked     number of lines
--   fail        errors as JSON, ms to keep it, URL that is told of its end (or '')
--   finalize
--   cancel
--   drop
-- Returns ok; '' where there is no such batch; for create known (made before), conflict (by another request) or `no file`; for
-- claim the batches; for the others the state where they change nothing. Cost: O(log N).
local order, id = ARGV[1], ARGV[2]
local key = K.gateway_batch(id)
local status = redis.call('HGET', key, 'status')

local function leave_work()
  redis.call('ZREM', K.gateway_batch_work(), id)
  read_no_more(redis.call('HGET', key, 'input'))
end

if order == 'claim' then
  local found = redis.call('ZRANGEBYSCORE', K.gateway_batch_work(), '-inf', now, 'LIMIT', 0, tonumber(ARGV[3]))
  for _, batch in ipairs(found) do redis.call('ZADD', K.gateway_batch_work(), now + tonumber(ARGV[4]), batch) end
  return found
elseif order == 'create' then
  if status then return is_among(ARGV[6], redis.call('HGET', key, 'digest')) and 'known' or 'conflict' end
  -- One of that name was deleted or is kept no more, and its jobs are: they would be taken for this one's.
  if redis.call('EXISTS', K.batch(id)) == 1 then return 'conflict' end
  if redis.call('EXISTS', K.gateway_file(ARGV[5])) == 0 then return 'no file' end
  redis.call('HINCRBY', K.gateway_file(ARGV[5]), 'readers', 1)
  local flat = {'status', 'validating', 'created', now, 'expires', now + tonumber(ARGV[7]), 'tenant', ARGV[3], 'api', ARGV[4],
    'input', ARGV[5], 'digest', noted(ARGV[6]), 'cursor', 0, 'offset', 0, 'written', 0, 'answered', 0}
  for field, value in pairs(cjson.decode(ARGV[8])) do flat[#flat + 1], flat[#flat + 2] = field, value end
  redis.call('HSET', key, unpack(flat))
  local index = K.gateway_batches(ARGV[4], ARGV[3])
  -- Each one that is made takes away some that are kept no more.
  for _, row in ipairs(redis.call('ZRANGE', index, 0, 9)) do
    if redis.call('EXISTS', K.gateway_batch(string.match(row, ' (.*)$'))) == 0 then redis.call('ZREM', index, row) end
  end
  redis.call('ZADD', index, 0, index_row(now, id))
  redis.call('ZADD', K.gateway_batch_work(), now, id)
elseif not status then
  redis.call('ZREM', K.gateway_batch_work(), id)
  return ''
elseif order == 'rest' then
  redis.call('ZADD', K.gateway_batch_work(), 'XX', now + tonumber(ARGV[3]), id)
elseif order == 'checked' then
  if redis.call('HSETNX', key, 'total', ARGV[3]) == 0 then return status end
  redis.call('HSET', key, 'in_progress_at', now)
  if status == 'validating' then redis.call('HSET', key, 'status', 'in_progress') end
elseif order == 'fail' then
  if redis.call('HEXISTS', key, 'total') == 1 or status == 'failed' then return status end
  redis.call('HSET', key, 'status', 'failed', 'failed_at', now, 'ended', now, 'errors', ARGV[3])
  tell_of_batch(id, ARGV[5])
  leave_work()
  redis.call('PEXPIRE', key, tonumber(ARGV[4]))
elseif order == 'finalize' then
  if redis.call('HSETNX', key, 'finalizing_at', now) == 0 then return status end
  if status == 'in_progress' then redis.call('HSET', key, 'status', 'finalizing') end
elseif order == 'cancel' then
  if status ~= 'validating' and status ~= 'in_progress' then return status end
  redis.call('HSET', key, 'status', 'cancelling', 'cancelling_at', now)
  redis.call('ZADD', K.gateway_batch_work(), 'XX', now, id)
elseif order == 'drop' then
  local v = redis.call('HMGET', key, 'tenant', 'api', 'created', 'output', 'error')
  if redis.call('HEXISTS', key, 'ended') == 0 then leave_work() end
  redis.call('ZREM', K.gateway_batches(v[2], v[1]), index_row(tonumber(v[3]), id))
  for i = 4, 5 do if v[i] then drop_file(v[i]) end end
  redis.call('DEL', key)
end
return 'ok'
