--! flags allow-oom
--! use clock, gateway_file, sealed
-- The life of a file of the gateway (docs/gateway.md): announced before its first part is stored, put when all are, dropped.
-- What is stored of one that is never put, or was dropped, is deleted by the sweep of ends.
--
-- KEYS[1] anchor
-- ARGV: order, file, then
--   announce  ms until it is taken for abandoned, 1 where its parts are sealed
--   put       tenant, facts as JSON (fields, texts), 1 listed, ms until it expires ('' never), parts (`name bytes`)…
--   drop
--   ended     most (the file is ignored): drops those that have expired
--   swept     (its parts are gone)
-- Returns ok; '' where there is no such file; read where a batch reads it; for ended the files whose parts are to be deleted.
-- Repeating an order changes nothing. Cost: O(log N), and O(parts) to put.
local order, id = ARGV[1], ARGV[2]
if order == 'announce' then
  local clear = without_keys(ARGV[4])
  if clear then return clear end
  redis.call('ZADD', K.gateway_file_ends(), now + tonumber(ARGV[3]), id)
elseif order == 'put' then
  if redis.call('EXISTS', K.gateway_file(id)) == 1 then return 'ok' end
  for i = 7, #ARGV do redis.call('RPUSH', K.gateway_file_parts(id), ARGV[i]) end
  local expires = ARGV[6] ~= '' and now + tonumber(ARGV[6]) or nil
  put_file(id, cjson.decode(ARGV[4]), ARGV[3], ARGV[5] == '1', expires)
elseif order == 'drop' then
  if redis.call('EXISTS', K.gateway_file(id)) == 0 then return '' end
  if not drop_file(id) then return 'read' end
elseif order == 'ended' then
  local found = {}
  for _, ended in ipairs(redis.call('ZRANGEBYSCORE', K.gateway_file_ends(), '-inf', now, 'LIMIT', 0, tonumber(ARGV[3]))) do
    if drop_file(ended) then
      found[#found + 1] = ended
    else
      redis.call('ZADD', K.gateway_file_ends(), now + 60000, ended)
    end
  end
  return found
elseif order == 'swept' then
  redis.call('ZREM', K.gateway_file_ends(), id)
end
return 'ok'
