--! flags allow-oom
--! use clock, record, budget
-- A page of jobs from one of the indexes, without a scan of the keyspace; writes nothing.
--
-- KEYS[1] anchor
-- ARGV: source, position, most rows, filters as JSON: {state, batch, queue, provider, tenant, tag, cause,
--   template: `name@`, or `name@version` and a line feed}
--   source running, due, waiting, queued, ended, succeeded, or batch (lines of filters.batch)
-- Returns {rows, next position or ''}: a row is {job, flat record}. Looks at 500 jobs at most, so a page may be short, or
-- empty with a next position. Cost: O(log N + 500), for queued also the number of targets.
local LOOKS = C.SLICE
local source, position, most, want = ARGV[1], ARGV[2], tonumber(ARGV[3]), cjson.decode(ARGV[4])
local rows, looked, seen = {}, 0, {}

local function wanted(r)
  if want.state and r.st ~= want.state then return false end
  if want.batch and r.ba ~= want.batch then return false end
  if want.queue and r.q ~= want.queue then return false end
  if want.tenant and r.tn ~= want.tenant then return false end
  if want.cause and r.ca ~= want.cause then return false end
  if want.tag and not tag_value(r.tags, want.tag) then return false end
  local tags = want.template and '\n' .. (r.tags or '') .. '\n'
  if tags and not string.find(tags, '\ntemplate=' .. want.template, 1, true) then return false end
  local target = r.tt or r.tg
  return not want.provider or string.sub(target, 1, #want.provider + 1) == want.provider .. ':'
end

-- What tells whether a job is wanted: most are looked at for these fields alone.
local TELLING = {'st', 'kd'}
for filter, field in pairs({batch = 'ba', queue = 'q', tenant = 'tn', cause = 'ca', tag = 'tags', template = 'tags', provider = 'tg'}) do
  if want[filter] then TELLING[#TELLING + 1] = field end
end
if want.provider then TELLING[#TELLING + 1] = 'tt' end

-- False when the page is full.
local function look(id)
  looked = looked + 1
  local values, r = redis.call('HMGET', K.job(id), unpack(TELLING)), {}
  for i, field in ipairs(TELLING) do r[field] = values[i] or nil end
  if r.st and r.kd ~= 'm' and not seen[id] and wanted(r) then
    seen[id] = true
    rows[#rows + 1] = {id, redis.call('HGETALL', K.job(id))}
  end
  return #rows < most and looked < LOOKS
end

-- Jobs of a sorted set from a rank on; the next rank, or nil at its end.
local function walk(key, from, name_of, order)
  local ids = redis.call('ZRANGE', key, from, from + LOOKS - 1, unpack(order or {}))
  for i, id in ipairs(ids) do
    if not look(name_of and name_of(id) or id) then return from + i end
  end
  return #ids == LOOKS and from + LOOKS or nil
end

-- Lists that a set names, one after the other: there may be as many as jobs, so that a call reads a portion of their names at a
-- time (the store's ZSCAN, whose cursors stand through changes of the set). `sets` are {key, key_of, names}: where its names are
-- known, they are not read. A position is `set:cursor:name:rank`, the name being a number within its portion.
local PORTION = 100

local function names_at(set, cursor)
  if set.names then return '0', set.names end
  local answer, names = redis.call('ZSCAN', set.key, cursor, 'COUNT', PORTION), {}
  for i = 1, #answer[2], 2 do names[#names + 1] = answer[2][i] end
  table.sort(names)
  return answer[1], names
end

local function walk_all(sets)
  local first, cursor, at, from = string.match(position, '^(%d+):(%d+):(%d+):(%d+)$')
  first, cursor, at, from = tonumber(first or 1), cursor or '0', tonumber(at or 1), tonumber(from or 0)
  for i = first, #sets do
    repeat
      local next_cursor, names = names_at(sets[i], cursor)
      for n = at, #names do
        local following = walk(sets[i].key_of(names[n]), from)
        if following then return i .. ':' .. cursor .. ':' .. n .. ':' .. int(following) end
        -- A list whose jobs are gone costs a look, too.
        from, looked = 0, looked + 1
        if looked >= LOOKS then return i .. ':' .. cursor .. ':' .. (n + 1) .. ':0' end
      end
      cursor, at = next_cursor, 1
    until cursor == '0'
  end
  return ''
end

local function backlogs()
  local sets = {}
  local queues = want.queue and {want.queue} or redis.call('SMEMBERS', K.queues())
  table.sort(queues)
  for _, queue in ipairs(queues) do
    for _, lane in ipairs(C.LANES) do
      local targets = redis.call('ZRANGE', K.lane(queue, lane), 0, -1)
      table.sort(targets)
      for _, target in ipairs(targets) do
        sets[#sets + 1] = {
          key = K.group(queue, lane, target), names = want.tenant and {want.tenant},
          key_of = function(tenant) return K.backlog(queue, lane, target, tenant) end,
        }
      end
    end
  end
  return sets
end

local function waiting_lists()
  return {{key = K.reasons(), key_of = function(reason) return K.waiting(reason) end}}
end

local function rank() return tonumber(position == '' and 0 or position) end

-- Newest first; a position is the id of the last ledger line looked at. A line of an attempt that did not end its job by
-- its reply is passed over, so a page costs at most LOOKS lines.
local function successes()
  local lines = redis.call('XREVRANGE', K.ledger(), position == '' and '+' or ('(' .. position), '-', 'COUNT', LOOKS)
  for _, line in ipairs(lines) do
    local f = line[2]
    local id, outcome
    for i = 1, #f, 2 do
      if f[i] == 'job' then id = f[i + 1] elseif f[i] == 'outcome' then outcome = f[i + 1] end
    end
    looked = looked + 1
    if outcome == 'succeeded' or outcome == 'answered' or string.sub(outcome, 1, 6) == 'cached' then
      if not look(id) then return line[1] end
    elseif looked >= LOOKS then
      return line[1]
    end
  end
  return #lines == LOOKS and lines[#lines][1] or ''
end

local function batch_lines()
  local lines = tonumber(redis.call('HGET', K.batch(want.batch), 'lines') or redis.call('HGET', K.batch(want.batch), 'submitted') or 0)
  for line = rank(), lines - 1 do
    local id = redis.call('HGET', K.batch_lines(want.batch), line) or (want.batch .. '-' .. line)
    if not look(id) then return line + 1 < lines and int(line + 1) or '' end
  end
  return ''
end

local following
if source == 'running' then
  following = walk(K.leases(), rank(), function(name) return string.match(name, '^(.*):%d+$') end)
elseif source == 'due' then
  following = walk(K.due(), rank())
elseif source == 'ended' then
  following = walk(K.ended(), rank(), nil, {'REV'})
elseif source == 'waiting' then
  following = walk_all(waiting_lists())
elseif source == 'queued' then
  following = walk_all(backlogs())
elseif source == 'succeeded' then
  following = successes()
elseif source == 'batch' then
  following = batch_lines()
end
return {rows, following and tostring(following) or ''}
