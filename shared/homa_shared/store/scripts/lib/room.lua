--! use clock
-- Whether the store has room for further jobs.
-- Gives: lack_of_room(percent), the error to return where it has none; percent 0 does not look.

-- What is used plus the replies owed to accepted jobs must leave room: a store that is full can take no reply.
local function lack_of_room(percent)
  if percent <= 0 then return nil end
  local info = redis.call('INFO', 'memory')
  local used, most = tonumber(string.match(info, 'used_memory:(%d+)')), tonumber(string.match(info, 'maxmemory:(%d+)'))
  if most <= 0 then return nil end
  local v = redis.call('HMGET', K.counters(), 'live', 'replies', 'reply_bytes')
  local replies = tonumber(v[2] or 0)
  local owed = tonumber(v[1] or 0) * (replies > 0 and tonumber(v[3]) / replies or 2048)
  if (used + owed) * 100 <= most * percent then return nil end
  return redis.error_reply('OOM ' .. int(used) .. ' bytes used and ' .. int(owed) .. ' owed to accepted jobs pass '
    .. int(percent) .. '% of maxmemory ' .. int(most))
end
