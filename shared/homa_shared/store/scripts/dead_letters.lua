--! flags allow-oom
--! use clock, event_groups
-- Puts dead letters back for their handler, drops them, or forgets a handler with all that is kept for it.
--
-- KEYS[1] anchor
-- ARGV: order (retry, drop, forget), handler, names of letters
-- Returns the names of the letters that were put back or dropped. A letter that is gone is left out: sent again, nothing happens
-- twice. forget returns 1 for a handler that there was, else 0.
-- A retried event gets all its tries anew, under the id that it had.
-- Cost: O(letters); forget O(what the group holds).
local order, handler = ARGV[1], ARGV[2]

if order == 'forget' then
  local was = redis.call('ZREM', K.handlers(), handler)
  if group_of(K.events(), handler) then was = redis.call('XGROUP', 'DESTROY', K.events(), handler) end
  local gone = redis.call('DEL', K.handler(handler), K.handler_events(handler), K.dead_letters(handler), K.dead_index(handler))
  return (was > 0 or gone > 0) and 1 or 0
end

local done = {}
for i = 3, #ARGV do
  local name = ARGV[i]
  local letter = redis.call('HGET', K.dead_letters(handler), name)
  if letter then
    if order == 'retry' then
      local entry = {K.handler_events(handler), '*', 'name', name}
      for _, part in ipairs(cjson.decode(letter).entry) do entry[#entry + 1] = part end
      redis.call('XADD', unpack(entry))
    end
    redis.call('HDEL', K.dead_letters(handler), name)
    redis.call('ZREM', K.dead_index(handler), name)
    done[#done + 1] = name
  end
end
return done
