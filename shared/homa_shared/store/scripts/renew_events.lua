--! flags allow-oom
--! use clock, event_groups
-- Renews a worker's leases of the events that it handles, and gives it what others left behind, what was handed to it in
-- replies that were lost, and what one that was stopped gave back. Consumers that are gone and hold nothing are removed.
--
-- KEYS[1] anchor
-- ARGV: handler, consumer, lease (ms), tries, most events to take over, most of them that were lost with a worker before,
--       then events that the worker holds: 0 (of the stream) or 1 (put back), id
-- Returns {{stream (0, 1), number of this try, entry} per event; the same per event whose workers were lost at each try;
-- {stream, id} per held event that is no longer the worker's; ids of held events that were trimmed; how many were trimmed after
-- their worker was lost}.
-- An event that was lost with its worker twice is a suspect, as a job is: a worker holds one at a time, so that whichever of
-- those beside it kills workers, the others are not lost with it again and again.
-- Cost: O(events held and taken over).
local handler, consumer, lease, tries = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local most, suspects = tonumber(ARGV[5]), tonumber(ARGV[6])
local LOST_REPLY_MS, GONE_LEASES = math.floor(lease / 3), 10
local taken, dead, gone, trimmed, lost = {}, {}, {}, {}, 0

-- Gives an event to the worker, as its so-manieth try.
local function give(which, key, id, try)
  local entry = redis.call('XCLAIM', key, handler, consumer, 0, id, 'RETRYCOUNT', try)[1]
  if not entry or not entry[2] then
    redis.call('XACK', key, handler, id)
    lost = lost + 1
    return
  end
  local into = try > tries and dead or taken
  into[#into + 1], most = {which, try, entry}, most - 1
end

-- The stream of events is only trimmed: what it holds before an event, or the event itself, shows that it is still there.
local function is_trimmed(key, id) return key == K.events() and #redis.call('XRANGE', key, '-', id, 'COUNT', 1) == 0 end

local function renew(which, key, held, number)
  local mine = {key, handler, consumer, 0}
  for _, p in ipairs(redis.call('XPENDING', key, handler, '-', '+', number + C.EVENTS_HELD, consumer)) do
    if held[p[1]] then
      -- A claim would take it from the list of pending events; its worker puts it back first.
      if is_trimmed(key, p[1]) then trimmed[#trimmed + 1] = p[1] else mine[#mine + 1] = p[1] end
      held[p[1]] = nil
    elseif p[3] >= LOST_REPLY_MS and most > 0 then
      -- It was never called: the try that it was handed out for is the one that it has now.
      give(which, key, p[1], p[4])
    end
  end
  if #mine > 4 then
    mine[#mine + 1] = 'JUSTID'
    redis.call('XCLAIM', unpack(mine))
  end
end

local function take_over(which, key)
  if most <= 0 then return end
  for _, p in ipairs(redis.call('XPENDING', key, handler, 'IDLE', lease, '-', '+', most + C.EVENTS_PAGE)) do
    local suspect = p[4] >= C.SUSPECT_LEASES
    if p[2] ~= consumer and most > 0 and (not suspect or suspects > 0) then
      if suspect then suspects = suspects - 1 end
      give(which, key, p[1], p[4] + 1)
    end
  end
end

local function remove_consumers(key)
  for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', key, handler)) do
    local one = pairs_of(flat)
    if one.name ~= consumer and one.pending == 0 and one.idle > GONE_LEASES * lease then
      redis.call('XGROUP', 'DELCONSUMER', key, handler, one.name)
    end
  end
end

local held, number = {['0'] = {}, ['1'] = {}}, {['0'] = 0, ['1'] = 0}
for i = 7, #ARGV, 2 do
  local which = ARGV[i]
  held[which][ARGV[i + 1]], number[which] = true, number[which] + 1
end
redis.call('ZADD', K.handlers(), now, handler)
for i, key in ipairs(streams(handler)) do
  local which = tostring(i - 1)
  if group_of(key, handler) then
    renew(which, key, held[which], number[which])
    take_over(which, key)
    remove_consumers(key)
  end
  for id in pairs(held[which]) do gone[#gone + 1] = {which, id} end
end
if lost > 0 then note_loss(handler, 'missed', lost) end
return {taken, dead, gone, trimmed, lost}
