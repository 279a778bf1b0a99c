--! use clock
-- Opens a batch, to be filled, sealed and ended (batch.lua). A full store refuses it, as it refuses new jobs.
--
-- KEYS[1] anchor
-- ARGV: batch, facts as JSON: {name, tenant, cap (nano-dollars or ''), …} (kept as fields)
-- Returns the batch's state. Opening it again changes nothing.
local id = ARGV[1]
local key = K.batch(id)
local state = redis.call('HGET', key, 'state')
if state then return state end
local fields = {'state', 'open', 'created', now, 'submitted', 0}
for field, value in pairs(cjson.decode(ARGV[2])) do
  if value ~= cjson.null then fields[#fields + 1], fields[#fields + 2] = field, value end
end
redis.call('HSET', key, unpack(fields))
redis.call('ZADD', K.batches(), now, id)
return 'open'
