--! use clock, sealed
-- Opens a run of a flow, which is a batch with a definition; its items come by put_items.lua.
--
-- KEYS[1] anchor
-- ARGV: run, its batch's facts as JSON (open_batch.lua), digest of what defines it, fields of the flow's hash as pairs
-- Returns {state of its batch, digest, inputs that are there, digest of these}: of what was opened before, where the run is known.
local id, key = ARGV[1], K.flow(ARGV[1])
local known = redis.call('HMGET', key, 'digest', 'inputs')
if not known[1] then
  for i = 4, #ARGV, 2 do
    local clear = (string.find(ARGV[i], '|request$') or ARGV[i] == 'definition') and in_clear(ARGV[i + 1])
    if clear then return clear end
  end
  local batch = {'state', 'open', 'created', now, 'submitted', 0, 'lines', 0, 'flow', 1}
  for field, value in pairs(cjson.decode(ARGV[2])) do
    if value ~= cjson.null then batch[#batch + 1], batch[#batch + 2] = field, value end
  end
  redis.call('HSET', K.batch(id), unpack(batch))
  redis.call('ZADD', K.batches(), now, id)
  redis.call('HSET', key, 'digest', ARGV[3], unpack(ARGV, 4))
  known = {ARGV[3], ''}
end
local cursor = redis.call('HGET', K.flow_nodes(id), '^ inputs ')
return {redis.call('HGET', K.batch(id), 'state') or 'gone', known[1], tonumber(cursor or 0), known[2] or ''}
