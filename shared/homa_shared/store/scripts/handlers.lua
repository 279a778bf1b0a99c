--! flags no-writes
--! use clock, event_groups
-- Event handlers: those that a worker has looked after, and other consumer groups of the stream of events.
--
-- KEYS[1] anchor
-- ARGV: none
-- Returns {handler, ms since a worker looked after it or -1, events before it or -1 where nobody can tell, handed out and not
-- acknowledged, put back, dead letters, missed, dead letters that made room for newer ones, consumers,
-- ms since it missed or dropped something or -1} per handler.
-- Cost: O(handlers).
local stream = stream_of(K.events())
local groups, names = {}, {}
local seen = redis.call('ZRANGE', K.handlers(), 0, -1, 'WITHSCORES')
for i = 1, #seen, 2 do groups[seen[i]], names[#names + 1] = {at = tonumber(seen[i + 1])}, seen[i] end
for _, flat in ipairs(stream and redis.call('XINFO', 'GROUPS', K.events()) or {}) do
  local group = pairs_of(flat)
  if not groups[group.name] then groups[group.name], names[#names + 1] = {}, group.name end
  groups[group.name].group = group
end

local function behind(handler, group)
  if not group then return 0 end
  local last = group['last-delivered-id']
  if last == stream['last-generated-id'] then return 0 end
  local v = redis.call('HMGET', K.handler(handler), 'place', 'at')
  local place = v[2] == last and tonumber(v[1] or nil)
  return place and stream['entries-added'] - place or -1
end

local rows = {}
for i, handler in ipairs(names) do
  local of, own = groups[handler], group_of(K.handler_events(handler), handler)
  local v = redis.call('HMGET', K.handler(handler), 'missed', 'dropped', 'loss_at')
  local pending = (of.group and of.group.pending or 0) + (own and own.pending or 0)
  local put_back = redis.call('XLEN', K.handler_events(handler)) - (own and own.pending or 0)
  local dead = redis.call('ZCARD', K.dead_index(handler))
  rows[i] = {handler, of.at and int(math.max(0, now - of.at)) or '-1', behind(handler, of.group), pending, put_back, dead,
    tonumber(v[1] or nil) or 0, tonumber(v[2] or nil) or 0, of.group and of.group.consumers or 0,
    v[3] and int(now - v[3]) or '-1'}
end
return rows
