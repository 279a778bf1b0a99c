--! flags allow-oom
-- Gives a consumer the events of an event handler that another one left, and tells how many the handler's group missed since
-- they were trimmed before it got to them.
--
-- KEYS[1] anchor
-- ARGV: handler, consumer, how long nobody has had to do with an event for it to be left (ms), most events
-- Returns {missed, {deliveries before, entry} per event}. Cost: O(events returned).
local group, consumer, idle, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local function pairs_of(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

local missed, stream = 0, pairs_of(redis.call('XINFO', 'STREAM', K.events()))
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', K.events())) do
  local g = pairs_of(flat)
  if g.name == group and g['entries-read'] then
    missed = math.max(0, stream['entries-added'] - stream['length'] - g['entries-read'])
  end
end
local claimed = {}
for _, left in ipairs(redis.call('XPENDING', K.events(), group, 'IDLE', idle, '-', '+', count)) do
  local entry = redis.call('XCLAIM', K.events(), group, consumer, idle, left[1])[1]
  -- One that was trimmed meanwhile leaves its list of pending ones by that.
  if entry then claimed[#claimed + 1] = {left[4], entry} end
end
return {missed, claimed}
