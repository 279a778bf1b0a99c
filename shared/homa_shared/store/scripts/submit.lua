--! use clock, record, backlog, ending, room, digests, sealed
-- Accepts jobs: record, request, place in an index, idempotency key, batch count and doorbell, all or nothing.
--
-- KEYS[1] anchor
-- ARGV[1] fields that all share, as JSON: those of FIELDS.common that say something
-- ARGV[2] percent of maxmemory that used memory and owed replies may take (0: do not look)
-- ARGV[3] name of the beginning that requests lack which begin with its mark ('' none), ARGV[4] its text: kept beside the batch
-- ARGV[5] what jobs say beside id and request: fields of FIELDS.entry and, of `key` (idempotency key and digests, `key d1,d2`),
--         `deadline` (ms from now) and `due` (ms from now), those that any of them says
-- ARGV[6…] per job: id, request, then its value ('' or 0 none) of each
-- Returns {accepted, {index, existing id, …} of jobs that were there before, {index, …} of keys used for another request,
--         {id, …} of the jobs that these keys were used for}
-- Cost: O(log N) a job; at most a thousand jobs a call (a script's stack).
local common = cjson.decode(ARGV[1])
local ENTRY = FIELDS.entry
local ABSENT, COLUMNS, AT = {}, {}, {}
for _, field in ipairs(ENTRY) do ABSENT[field[1]] = field[2] end
-- Columns of the record's fields, and where the others are.
local STRIDE, FIRST = 2, 5
for column in string.gmatch(ARGV[5], '%S+') do
  STRIDE = STRIDE + 1
  if ABSENT[column] then COLUMNS[#COLUMNS + 1] = {column, STRIDE, ABSENT[column]} else AT[column] = STRIDE end
end
-- A key's retention counts from its job's end. This limit is for jobs that an older release ended without setting it.
local KEY_MS = 400 * DAY_MS
local accepted, existing, conflicts, firsts = 0, {}, {}, {}
local last = nil

-- The fields that all share are written once, as a template that each record is copied from: a copy of a small hash is one
-- block of memory, and fails where the record is there already.
local base = {'st', 'queued', 'tr', 0, 'at', 0, 'sb', now}
for _, field in ipairs(FIELDS.common) do
  local value = common[field]
  if value and value ~= cjson.null then
    base[#base + 1] = field
    base[#base + 1] = value
  end
end

if common.ba and common.ba ~= cjson.null then
  local state = redis.call('HMGET', K.batch(common.ba), 'state', 'cancel')
  if not state[1] then return redis.error_reply('HOMA no batch ' .. common.ba) end
  if state[1] ~= 'open' then return redis.error_reply('HOMA batch ' .. common.ba .. ' is ' .. state[1]) end
end

local full = lack_of_room(tonumber(ARGV[2]))
if full then return full end

local jobs = (#ARGV - FIRST) / STRIDE
for i = 0, jobs - 1 do
  local clear = in_clear(ARGV[FIRST + 2 + i * STRIDE])
  if clear then return clear end
end
-- Names are digests, cut short: another text of the same name would be put in front of requests that do not begin so.
if ARGV[3] ~= '' then
  local kept = redis.call('HGET', K.batch_beginnings(common.ba), ARGV[3])
  if kept and kept ~= ARGV[4] then return redis.error_reply('HOMA another beginning is called ' .. ARGV[3]) end
  if not kept then redis.call('HSET', K.batch_beginnings(common.ba), ARGV[3], ARGV[4]) end
end
local place = place_of(tonumber(redis.call('INCRBY', K.sequence(), jobs)) - jobs, tonumber(common.pr or 0))
local queued, due_count = 0, 0
local backlog = K.backlog(common.q, common.ln, common.tg, common.tn)
local was_empty = redis.call('EXISTS', backlog) == 0
local template = K.template()
redis.call('DEL', template)
redis.call('HSET', template, unpack(base))
local places, requests = {}, {}

for i = 0, jobs - 1 do
  local a = FIRST + i * STRIDE
  local id, request, key = ARGV[a + 1], ARGV[a + 2], AT.key and ARGV[a + AT.key] or ''
  local deadline, due = AT.deadline and tonumber(ARGV[a + AT.deadline]) or 0, AT.due and tonumber(ARGV[a + AT.due]) or 0
  local known, named = nil, nil
  if key ~= '' then
    local name, digest = string.match(key, '^(.*) ([%x,]+)$')
    local entry = K.idempotency(common.tn, name)
    local held = redis.call('GET', entry)
    if held then
      local first, first_digest = string.match(held, '^(%S+) (%x+)$')
      -- A key whose job has been purged is free again.
      if redis.call('EXISTS', K.job(first)) == 0 then
        held = nil
      elseif is_among(digest, first_digest) then
        known = first
      else
        conflicts[#conflicts + 1] = i
        firsts[#firsts + 1] = first
      end
    end
    if not held then
      redis.call('SET', entry, id .. ' ' .. noted(digest), 'PX', KEY_MS + due)
      named = name
    end
  end
  if conflicts[#conflicts] == i then
    known = nil
  elseif not known and redis.call('COPY', template, K.job(id)) == 0 then
    known = id
  end
  if known then
    existing[#existing + 1] = i
    existing[#existing + 1] = known
  elseif conflicts[#conflicts] ~= i then
    local fields, n = {'sq', place + i}, 2
    if named then fields[3], fields[4], n = 'ik', named, 4 end
    for _, column in ipairs(COLUMNS) do
      local value = ARGV[a + column[2]]
      if value ~= '' and value ~= column[3] then fields[n + 1], fields[n + 2], n = column[1], value, n + 2 end
    end
    if deadline > 0 then
      fields[n + 1], fields[n + 2], n = 'dl', now + deadline, n + 2
      redis.call('ZADD', K.deadlines(), now + deadline, id)
    end
    if due > 0 then
      fields[n + 1], fields[n + 2], fields[n + 3], fields[n + 4] = 'st', 'due', 'due', now + due
      redis.call('ZADD', K.due(), now + due, id)
      due_count = due_count + 1
    else
      places[#places + 1] = place + i
      places[#places + 1] = id
      queued = queued + 1
    end
    redis.call('HSET', K.job(id), unpack(fields))
    requests[#requests + 1] = K.request(id)
    requests[#requests + 1] = request
    accepted, last = accepted + 1, id
  end
end
redis.call('DEL', template)
if #requests > 0 then redis.call('MSET', unpack(requests)) end
if #places > 0 then redis.call('ZADD', backlog, unpack(places)) end

if accepted > 0 then
  redis.call('HINCRBY', K.counters(), 'submitted', accepted)
  redis.call('HINCRBY', K.counters(), 'live', accepted)
  redis.call('SADD', K.queues(), common.q)
  if common.ba and common.ba ~= cjson.null then
    redis.call('HINCRBY', K.batch(common.ba), 'submitted', accepted)
    -- Lines of different options come in submissions of their own: one may be here before those that stand before it.
    local lines = tonumber(string.match(last, '%-(%d+)$') or -1) + 1
    if lines > tonumber(redis.call('HGET', K.batch(common.ba), 'lines') or 0) then
      redis.call('HSET', K.batch(common.ba), 'lines', lines)
    end
  end
  if due_count > 0 then count(common.q, common.ln, 'due', due_count) end
end
if queued > 0 then
  count(common.q, common.ln, 'queued', queued)
  if was_empty then join_group(common.q, common.ln, common.tg, common.tn) end
end
if queued + due_count > 0 then ring(common.q, queued + due_count) end
return {accepted, existing, conflicts, firsts}
