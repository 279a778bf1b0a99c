--! use clock, record, backlog, ending, room, flow_nodes, sealed
-- Puts items into a run of a flow and makes the nodes of their first steps, all or nothing.
--
-- KEYS[1] anchor
-- ARGV: run, percent of maxmemory (submit.lua), sections as JSON: {source, scope, from, n, seal, digest}, items…
-- A section has n items, from a number on, of a source in a scope; with `seal` no more come there. Items that are there are
-- passed over where they are the same, so that the same call changes nothing. `digest` is that of the run's inputs so far.
-- Returns ok; gap (items before these are missing); differs (others are in their place, or so many that these are not all);
-- ended (the step that makes these parts runs no more);
-- or the state of a run that takes no more items; '' for none.
-- Cost: O(log N) an item and step.
local run = ARGV[1]
local f = Flow.load(run)
if not f then return '' end
local sections, at = cjson.decode(ARGV[3]), 3

local function cursor(s) return '^ ' .. s.source .. ' ' .. s.scope end
local function path_of(s, number) return (s.scope ~= '' and s.scope .. '.' or '') .. int(number) end

-- Whether a section, whose items stand behind ARGV[before], says something else than those that were put before it.
local function is_other(s, before)
  local stop = s.from + s.n
  if s.seal and stop < s.there or s.scope ~= '' and s.sealed and stop > s.sealed then return true end
  for number = s.from, math.min(stop, s.there) - 1 do
    local known = redis.call('GET', K.flow_item(run, s.source, path_of(s, number)))
    if known and known ~= ARGV[before + 1 + number - s.from] then return true end
  end
  return false
end

local fresh, before = false, at
for _, s in ipairs(sections) do
  s.there = tonumber(redis.call('HGET', K.flow_nodes(run), cursor(s)) or 0)
  s.sealed = Flow.items_in(f, s.source, s.scope)
  if is_other(s, before) then return 'differs' end
  before = before + s.n
  fresh = fresh or s.there < s.from + s.n or (s.seal and not s.sealed)
end
if not fresh then return 'ok' end
if f.cancelled then return 'cancelled' end
-- Parts that a step makes come while it runs; where it has ended, this is a worker that lost its lease.
for _, s in ipairs(sections) do
  local by = f.steps[s.source].by
  local maker = by and run .. '-' .. (redis.call('HGET', K.flow_nodes(run), by .. ' ' .. s.scope) or '')
  local r = maker and redis.call('HMGET', K.job(maker), 'st', 'sq')
  if by and r[1] ~= 'running' then return 'ended' end
  if f.sealed and not by then return redis.call('HGET', K.batch(run), 'state') end
  s.place = by and r[2]
end
-- Sections of one scope may follow one another.
local places = {}
for _, s in ipairs(sections) do
  local there = places[cursor(s)] or s.there
  if there < s.from then return 'gap' end
  places[cursor(s)] = math.max(there, s.from + s.n)
end
local full = lack_of_room(tonumber(ARGV[2]))
if full then return full end
for i = at + 1, #ARGV do
  local clear = in_clear(ARGV[i])
  if clear then return clear end
end

local kept = 2 * retention('results')

local function put(s)
  local there = tonumber(redis.call('HGET', K.flow_nodes(run), cursor(s)) or 0)
  for number = s.from, s.from + s.n - 1 do
    at = at + 1
    if number >= there then
      Flow.put_item(f, s.source, path_of(s, number), ARGV[at], int(kept), s.place)
    end
  end
  if s.from + s.n > there then
    redis.call('HSET', K.flow_nodes(run), cursor(s), int(s.from + s.n))
    if s.digest then redis.call('HSET', K.flow(run), 'inputs', s.digest) end
  end
  if s.seal and not Flow.items_in(f, s.source, s.scope) then
    Flow.seal_items(f, s.source, s.scope, s.from + s.n)
    if s.scope == '' then
      Flow.write(f)
      f.sealed = true
      redis.call('HSET', K.batch(run), 'state', 'sealed', 'total', redis.call('HGET', K.batch(run), 'submitted'))
      complete_batch(run)
    end
  end
end

for _, s in ipairs(sections) do
  if not Flow.guarded(run, s.source .. ' ' .. s.scope, put, s) then
    complete_batch(run)
    return 'cancelled'
  end
end
return 'ok'
