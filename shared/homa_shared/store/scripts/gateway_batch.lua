--! flags allow-oom
--! use clock, digests, gateway_file, gateway_told
-- The life of a batch of a file (docs/gateway.md), beside the lines that are promoted (promote_lines.lua) and answered
-- (answer_lines.lua): validating, in_progress, finalizing and its end; failed where its file is none of requests. Whoever
-- works on it holds it for a while, so that two do not do the same; that nothing happens twice rests on the cursors. That is
-- gateways, and where none does it, processes of workers that reach the files, too.
--
-- KEYS[1] anchor
-- ARGV: order, batch, then
--   create      tenant, api, input file, digests of the request, ms until it expires, facts as JSON (fields, texts)
--   claim       most, ms to hold them, place whose files whoever asks reaches, ms for which its process stands in for gateways
--               (0: it is one) (the batch is ignored)
--   untended    place, ms for which a process of it is to stand in (the batch is ignored)
--   rest        ms until somebody looks again, what it waits for (or '')
--   elsewhere   place where its files are not, what is told of that, ms for which it is not tried from there again
--   checked     number of lines
--   fail        errors as JSON, ms to keep it, URL that is told of its end (or '')
--   finalize
--   cancel
--   drop
-- Returns ok; '' where there is no such batch; for create known (made before), conflict (by another request) or `no file`; for
-- claim {1 where a gateway lives, batches}; for untended 1 where a process should be started; for the others the state where they
-- change nothing. Cost: O(log N), of claim and untended O(batches whose files are not there).
local order, id = ARGV[1], ARGV[2]
local key = K.gateway_batch(id)
local status = redis.call('HGET', key, 'status')

local function leave_work()
  redis.call('ZREM', K.gateway_batch_work(), id)
  read_no_more(redis.call('HGET', key, 'input'))
end

local function a_gateway_lives() return tonumber(redis.call('GET', K.gateway_seen()) or 0) > now - C.UNTENDED_MS end

-- Batches that are due and whose files are not known to be elsewhere.
local function due_by(ms, most, place)
  local elsewhere = K.gateway_elsewhere(place)
  local passed = redis.call('SCARD', elsewhere)
  local due, found = redis.call('ZRANGEBYSCORE', K.gateway_batch_work(), '-inf', ms, 'LIMIT', 0, most + passed), {}
  for _, batch in ipairs(due) do
    if #found == most then break end
    if passed == 0 or redis.call('SISMEMBER', elsewhere, batch) == 0 then found[#found + 1] = batch end
  end
  return found
end

if order == 'claim' then
  local stands_in = tonumber(ARGV[6])
  if stands_in == 0 then
    redis.call('SET', K.gateway_seen(), int(now))
  elseif a_gateway_lives() then
    return {1, {}}
  else
    redis.call('SET', K.gateway_stand_in(ARGV[5]), '1', 'PX', stands_in)
  end
  local found = due_by(now, tonumber(ARGV[3]), ARGV[5])
  for _, batch in ipairs(found) do redis.call('ZADD', K.gateway_batch_work(), now + tonumber(ARGV[4]), batch) end
  return {0, found}
elseif order == 'untended' then
  if a_gateway_lives() or #due_by(now - C.UNTENDED_MS, 1, ARGV[3]) == 0 then return 0 end
  return redis.call('SET', K.gateway_stand_in(ARGV[3]), '1', 'NX', 'PX', tonumber(ARGV[4])) and 1 or 0
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
  if ARGV[4] == '' then redis.call('HDEL', key, 'waits') else redis.call('HSET', key, 'waits', ARGV[4]) end
elseif order == 'elsewhere' then
  redis.call('HSET', key, 'waits', ARGV[4])
  redis.call('SADD', K.gateway_elsewhere(ARGV[3]), id)
  redis.call('PEXPIRE', K.gateway_elsewhere(ARGV[3]), tonumber(ARGV[5]), 'NX')
  -- Nobody has gone on with it: whoever reaches its files need not wait until that is long ago.
  redis.call('ZADD', K.gateway_batch_work(), 'XX', now - C.UNTENDED_MS, id)
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
