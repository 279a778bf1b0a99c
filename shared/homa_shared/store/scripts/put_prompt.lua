--! use clock, room, digests, sealed
-- Stores a prompt template, as the next version unless the current one says the same.
--
-- KEYS[1] anchor
-- ARGV: name, digests of what it says (digests.lua), what it says as JSON, percent of maxmemory (submit.lua)
-- Returns {version, 1 where it is new}.
local full = lack_of_room(tonumber(ARGV[4])) or in_clear(ARGV[3])
if full then return full end
local key = K.prompt(ARGV[1])
local stands = redis.call('HMGET', key, 'current', 'digest', 'last')
if stands[1] and is_among(ARGV[2], stands[2]) then return {tonumber(stands[1]), 0} end
-- A number is never given twice: what was deleted is not another text under its old name.
local version = (tonumber(stands[3]) or 0) + 1
local row = int(now) .. ' ' .. ARGV[3]
redis.call('HSET', key, int(version), row, 'stands', row, 'current', int(version), 'digest', noted(ARGV[2]), 'last', int(version))
redis.call('SADD', K.prompts(), ARGV[1])
return {version, 1}
