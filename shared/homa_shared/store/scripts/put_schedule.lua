--! use clock, record, backlog, room, schedule
-- Makes a schedule, or gives one a new definition. All or nothing; making it again by the same definition changes nothing.
--
-- KEYS[1] anchor
-- ARGV: name, id where it is new, digest of its definition, fields as JSON (texts), next tick, when its work is due, 1 to replace
--       another definition, percent of maxmemory (submit.lua), digest that is replaced ('': whatever stands)
-- Returns {answer, id}: made, same, replaced; taken (another definition has the name), changed (by somebody else meanwhile), or
-- past (the store's clock has passed its next tick).
local name, id, digest, fields = ARGV[1], ARGV[2], ARGV[3], cjson.decode(ARGV[4])
local tick, due, replace = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1'
local full = lack_of_room(tonumber(ARGV[8]))
if full then return full end

local known = redis.call('HGET', K.schedule_names(), name)
local stands = known and redis.call('HMGET', K.schedule(known), 'digest', 'timing', 'created', 'state', 'last', 'next') or {}
if stands[1] == digest then return {'same', known} end
if stands[1] and not replace then return {'taken', known} end
if stands[1] and ARGV[9] ~= '' and ARGV[9] ~= stands[1] then return {'changed', known} end
if tick <= now then return {'past', known or id} end
id = known or id

local key = K.schedule(id)
-- Ticks of other times are other ticks; those of the same go on from where they are.
local same_times = stands[2] == fields.timing and stands[6]
redis.call('HDEL', key, 'request', 'entry', 'holes', 'deadline', 'cap', 'period', 'pause_after', 'jitter', 'tenant')
for field, value in pairs(fields) do if value ~= '' then redis.call('HSET', key, field, value) end end
redis.call('HSET', key, 'name', name, 'digest', digest, 'changed', now)
if not same_times then
  redis.call('HSET', key, 'next', int(tick), 'due', int(due))
  redis.call('HDEL', key, 'before')
  redis.call('DEL', K.schedule_spans(id))
end
if stands[1] then
  if stands[4] == 'done' then redis.call('HSET', key, 'state', 'active') end
  if not same_times and stands[4] ~= 'paused' then redis.call('ZADD', K.schedules(), due, id) end
  tell({name = name, tenant = fields.tenant}, 'changed')
  return {'replaced', id}
end
redis.call('HSET', key, 'created', now, 'state', 'active')
redis.call('HSET', K.schedule_names(), name, id)
redis.call('ZADD', K.schedules(), due, id)
tell({name = name, tenant = fields.tenant}, 'created')
return {'made', id}
