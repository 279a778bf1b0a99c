--! flags allow-oom
--! use clock, event_groups
-- What becomes of an event whose handler's call failed, or of all that a worker holds when it stops.
--
-- KEYS[1] anchor
-- ARGV: order (again, dead, back), handler, consumer, then for again and dead: 0 (of the stream) or 1 (put back), id, number of
--       the next try, name of the dead letter, the letter (dead) or the event's fields as a JSON list (again)
-- Returns 1; 0 where the event is no longer the worker's, who has nothing to do with it any more. Sent again after its reply was
-- lost, `again` answers as before; `dead` answers 0 then, which changes nothing for who asks.
-- again: the next try is counted and the lease renewed. An event that was trimmed meanwhile is put back for this handler alone.
-- dead: it is kept as a dead letter, and acknowledged.
-- back: what the consumer holds may be taken over at once, and no try is counted; the consumer is removed where it holds nothing.
-- Cost: O(1); back O(events held).
local order, handler, consumer = ARGV[1], ARGV[2], ARGV[3]
-- So long ago was an event handed out that is given back: longer than any lease.
local LONG_AGO_MS = DAY_MS

local function give_back(key)
  if not group_of(key, handler) then return end
  local left = redis.call('XPENDING', key, handler, '-', '+', C.EVENTS_HELD, consumer)
  for _, p in ipairs(left) do
    local tries = math.max(0, p[4] - 1)
    redis.call('XCLAIM', key, handler, consumer, 0, p[1], 'IDLE', LONG_AGO_MS, 'RETRYCOUNT', tries, 'JUSTID')
  end
  if #left == 0 then redis.call('XGROUP', 'DELCONSUMER', key, handler, consumer) end
end

if order == 'back' then
  for _, key in ipairs(streams(handler)) do give_back(key) end
  return 1
end

local key, id, try, name = streams(handler)[tonumber(ARGV[4]) + 1], ARGV[5], ARGV[6], ARGV[7]
if not group_of(key, handler) then return 0 end
local p = redis.call('XPENDING', key, handler, id, id, 1)[1]
local kept = #redis.call('XRANGE', key, id, id) > 0
-- One that is in the stream and not pending was acknowledged by who took it over.
if (p and p[2] ~= consumer) or (not p and kept) then return 0 end

if order == 'again' then
  if kept then
    redis.call('XCLAIM', key, handler, consumer, 0, id, 'RETRYCOUNT', try, 'JUSTID')
    return 1
  end
  local again = {K.handler_events(handler), '*', 'name', name, 'id', id}
  for _, part in ipairs(cjson.decode(ARGV[8])) do again[#again + 1] = part end
  if p then redis.call('XADD', unpack(again)) end
  redis.call('XACK', key, handler, id)
  return 0
end

-- One that is neither pending nor kept was buried before, unless it was trimmed.
if p then bury(handler, name, ARGV[8]) end
redis.call('XACK', key, handler, id)
if key == K.handler_events(handler) then redis.call('XDEL', key, id) end
return 1
