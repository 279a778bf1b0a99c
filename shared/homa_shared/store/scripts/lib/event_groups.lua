-- The consumer group of an event handler at the two streams that it reads: the fleet's events, and what was put back for it
-- alone. Where the group stands is noted beside it (K.handler), as the number of events that the stream had been given up to
-- there: the store's own count of a group goes wrong when events are trimmed before they were read.
-- Gives: pairs_of(flat), stream_of(key) and group_of(key, name), what XINFO tells, nil where there is none,
-- streams(handler), note_loss(handler, what, number), and dead letters by bury(handler, name, letter).
local function pairs_of(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

local function stream_of(key)
  return redis.call('EXISTS', key) == 1 and pairs_of(redis.call('XINFO', 'STREAM', key)) or nil
end

local function group_of(key, name)
  if redis.call('EXISTS', key) == 0 then return nil end
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local group = pairs_of(flat)
    if group.name == name then return group end
  end
end

local function streams(handler) return {K.events(), K.handler_events(handler)} end

-- Counts what a handler misses for good, and when it did last.
local function note_loss(handler, what, number)
  redis.call('HINCRBY', K.handler(handler), what, number)
  redis.call('HSET', K.handler(handler), 'loss_at', now)
end

-- Most letters that go in one call, where settings allow far fewer than before: Lua passes on some 8000 words.
local MOST_DROPPED = 1000

-- Keeps a dead letter; of more than settings allow the oldest go, and are counted.
local function bury(handler, name, letter)
  redis.call('HSET', K.dead_letters(handler), name, letter)
  redis.call('ZADD', K.dead_index(handler), now, name)
  local most = at_least(1, number_of(redis.call('HGET', K.config(), 'events.dead')) or C.DEAD_LETTERS_KEPT)
  local over = redis.call('ZCARD', K.dead_index(handler)) - most
  if over <= 0 then return end
  local oldest = redis.call('ZRANGE', K.dead_index(handler), 0, math.min(over, MOST_DROPPED) - 1)
  redis.call('HDEL', K.dead_letters(handler), unpack(oldest))
  redis.call('ZREM', K.dead_index(handler), unpack(oldest))
  note_loss(handler, 'dropped', #oldest)
end
