--! use clock, shift
-- Indexes of what is to happen at a time, after the store's clock was set back.
-- Gives: move_back(last, lease_ms), last being the fleet's last beat.

-- Most entries of an index that are moved, the last ones first: a clock is set back while little lies ahead, as a rule.
local MOVED = 10000

local function move_index_back(key, ahead)
  local late = redis.call('ZREVRANGEBYSCORE', key, '+inf', '(' .. int(now), 'WITHSCORES', 'LIMIT', 0, MOVED)
  for i = 1, #late, 2 do redis.call('ZADD', key, 'XX', int(tonumber(late[i + 1]) - ahead), late[i]) end
end

-- Moves leases and delays back by as much as the clock was set back since the last beat of the fleet. That it did is
-- written at once, else the next script would move them again. Nobody's lease is judged then before its holder had the time
-- of one lease to say that it lives. Returns the end of that time; nil where nothing was moved.
local function move_back(last, lease_ms)
  local ahead = ahead_ms(last)
  if ahead == 0 then return nil end
  move_index_back(K.leases(), ahead)
  move_index_back(K.due(), ahead)
  redis.call('HSET', K.beat(), 'last', now, 'grace', now + lease_ms)
  return now + lease_ms
end
