--! use sealed
-- Keeps a medium in the store itself, where no blob store is set. Refused, as a job would be, where room is short.
--
-- KEYS[1] anchor
-- ARGV: percent of maxmemory that used memory may take (0: do not look), digest, bytes
-- Returns OK.
-- Cost: O(1), and the bytes.
local percent, digest = tonumber(ARGV[1]), ARGV[2]
local clear = in_clear(ARGV[3])
if clear then return clear end
if percent > 0 then
  local info = redis.call('INFO', 'memory')
  local used, most = tonumber(string.match(info, 'used_memory:(%d+)')), tonumber(string.match(info, 'maxmemory:(%d+)'))
  if most > 0 and (used + #ARGV[3]) * 100 > most * percent then
    return redis.error_reply('OOM a medium of ' .. #ARGV[3] .. ' bytes and ' .. string.format('%.0f', used)
      .. ' used pass ' .. percent .. '% of maxmemory')
  end
end
redis.call('SET', K.media(digest), ARGV[3])
redis.call('HSETNX', K.media_places(), digest, C.IN_STORE)
return 'OK'
