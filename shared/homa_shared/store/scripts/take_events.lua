--! flags allow-oom
--! use clock, event_groups
-- Hands the next events to a worker that calls an event handler, and tells how many were trimmed before the handler's group
-- got to them. Events that the handler does not want are acknowledged here.
--
-- KEYS[1] anchor
-- ARGV: handler, consumer, most events, where a new group begins ('$': now, '0': the oldest kept, or behind an id),
--       1 where the handler wants to be called for events that were missed, names of the events that it wants (a line each, ''
--       for all)
-- Returns {missed, -1 where nobody can tell how many; events looked at; entries of the stream as JSON, '' for none, which a client
-- reads in a fraction of the time that a reply of nested lists takes it; entries put back}.
-- A reply that is lost leaves what it handed out pending: the worker's next renewal finds it.
-- Cost: O(events looked at).
local handler, consumer, most, since = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local tells_missed, names = ARGV[5] == '1', ARGV[6]
local NAME = 2

local wanted = {}
for name in string.gmatch(names, '[^\n]+') do wanted[name] = true end

local function trimmed_of(stream) return stream['entries-added'] - stream['length'] end

-- A new group's place: how many events the stream had been given up to where it begins; '' where that is not known.
local function begin()
  redis.call('XGROUP', 'CREATE', K.handler_events(handler), handler, '0', 'MKSTREAM')
end

local function begin_at_events()
  redis.call('XGROUP', 'CREATE', K.events(), handler, since, 'MKSTREAM')
  local stream, place = stream_of(K.events()), ''
  if since == '$' then place = stream['entries-added'] end
  if since == '0' then place = trimmed_of(stream) end
  redis.call('HSET', K.handler(handler), 'place', place, 'at', group_of(K.events(), handler)['last-delivered-id'])
end

-- The place of where a group stands, from the one that was noted at another event; events between them were handed out
-- by a read that waited.
local function place_at(noted, at, last)
  if not noted or at == last then return noted end
  local between = redis.call('XRANGE', K.events(), '(' .. at, last, 'COUNT', C.EVENTS_PLACED)
  return #between < C.EVENTS_PLACED and noted + #between or nil
end

-- Notes what a group missed; those of its workers that want to be told get it as an event of their own.
local function note_missed(stream, missed)
  note_loss(handler, 'missed', math.max(missed, 1))
  if tells_missed then
    local before = stream['first-entry'] and stream['first-entry'][1] or stream['last-generated-id']
    local name = 'missed-before-' .. before
    redis.call('XADD', K.handler_events(handler), '*', 'name', name, 'id', before, 'event', 'missed', 'n', int(missed))
  end
end

-- Where the group stands, its place there, and how many events it missed.
local function look(stream, group)
  local v = redis.call('HMGET', K.handler(handler), 'place', 'at')
  local last, trimmed = group['last-delivered-id'], trimmed_of(stream)
  local noted = tonumber(v[1] or nil)
  if trimmed == 0 or (noted and noted >= trimmed) then return place_at(noted, v[2], last), 0 end
  if last == stream['last-generated-id'] or #redis.call('XRANGE', K.events(), '-', last, 'COUNT', 1) > 0 then
    return place_at(noted, v[2], last), 0
  end
  local place = noted and v[2] == last and noted
  local missed = place and trimmed - place or -1
  note_missed(stream, missed)
  return trimmed, missed
end

local function read()
  local reply = redis.call('XREADGROUP', 'GROUP', handler, consumer, 'COUNT', most, 'STREAMS', K.events(),
    K.handler_events(handler), '>', '>')
  local found = {}
  for _, of in ipairs(reply or {}) do found[of[1]] = of[2] end
  return found[K.events()] or {}, found[K.handler_events(handler)] or {}
end

local group = group_of(K.events(), handler)
if not group then begin_at_events() end
if not group_of(K.handler_events(handler), handler) then begin() end
group = group or group_of(K.events(), handler)
local stream = stream_of(K.events())
local place, missed = look(stream, group)
local entries, own = read()
local last = #entries > 0 and entries[#entries][1] or group['last-delivered-id']
place = place and place + #entries
if last == stream['last-generated-id'] then place = stream['entries-added'] end
redis.call('HSET', K.handler(handler), 'place', place or '', 'at', last)
local given, others = {}, {}
for _, entry in ipairs(entries) do
  local into = (names == '' or wanted[entry[2][NAME]]) and given or others
  into[#into + 1] = entry
end
for i, entry in ipairs(others) do others[i] = entry[1] end
if #others > 0 then redis.call('XACK', K.events(), handler, unpack(others)) end
return {missed, #entries + #own, #given > 0 and cjson.encode(given) or '', own}
