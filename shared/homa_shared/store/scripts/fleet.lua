--! flags allow-oom
--! use clock, events
-- Writes the fleet's settings, if nobody else has written them since they were read.
--
-- KEYS[1] anchor
-- ARGV: version that the writer has seen (0: none), settings as JSON (of the version after it), fields of `cfg` as JSON
-- Returns the version that stands now; it is the writer's own only when it came first.
local seen = tonumber(ARGV[1])
local present = tonumber(redis.call('HGET', K.config(), 'version') or 0)
-- A store that lost its settings takes those that a process still knows, as a version after them: all see that it changed.
if present ~= seen and present ~= 0 then return present end
redis.call('SET', K.fleet(), ARGV[2])
redis.call('DEL', K.config())
for field, value in pairs(cjson.decode(ARGV[3])) do redis.call('HSET', K.config(), field, value) end
redis.call('HSET', K.config(), 'version', seen + 1)
publish('fleet.changed', {detail = 'version ' .. int(seen + 1)})
return seen + 1
