--! use clock, record, backlog, room, schedule, digests, sealed
-- Makes a schedule, or gives one a new definition. All or nothing; making it again by the same definition changes nothing.
--
-- KEYS[1] anchor
-- ARGV: name, id where it is new, digests of what was said (digests.lua), fields as JSON (texts; `made` is a digest of what settings made of it),
--       next tick, when its work is due, 1 to replace another definition, percent of maxmemory (submit.lua)
-- Returns {answer, id}: made, same, replaced; taken (another definition has the name), or past (the store's clock has passed its
-- next tick).
local name, id, digest, fields = ARGV[1], ARGV[2], ARGV[3], cjson.decode(ARGV[4])
local tick, due, replace = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1'
local full = lack_of_room(tonumber(ARGV[8])) or in_clear(fields.request)
if full then return full end

-- Times that were replaced, of which the latest are kept: a tick that had its run by any of them is not run again.
local ERAS = 50

local known = redis.call('HGET', K.schedule_names(), name)
local stands = known and redis.call('HMGET', K.schedule(known), 'digest', 'timing', 'made', 'state', 'next') or {}
if is_among(digest, stands[1]) and (not replace or stands[4] == 'done' or stands[3] == fields.made) then return {'same', known} end
if stands[1] and not replace then return {'taken', known} end
if tick <= now then return {'past', known or id} end
id = known or id
local key = K.schedule(id)

-- Whether two intervals are of the same ticks but for where they began.
local function same_interval(before, after)
  return before.every_ms ~= nil and before.every_ms == after.every_ms
end

-- Runs that wait are done as they were defined when their tick came.
local function keep_definition(s)
  if redis.call('EXISTS', K.schedule_queue(id)) == 0 then return end
  local kept = {}
  for _, field in ipairs(DEFINED) do kept[field] = s[field] end
  redis.call('HSET', K.schedule_definitions(id), s.gen, cjson.encode(kept))
end

local function keep_spans(gen)
  if redis.call('EXISTS', K.schedule_spans(id)) == 0 then return end
  local eras, oldest, count = cjson.decode(redis.call('HGET', key, 'eras') or '{}'), nil, 0
  for known_gen in pairs(eras) do
    count, oldest = count + 1, math.min(oldest or math.huge, tonumber(known_gen))
  end
  if count >= ERAS then
    redis.call('DEL', K.schedule_spans(era(id, int(oldest))))
    eras[int(oldest)] = nil
  end
  eras[gen] = stands[2]
  redis.call('HSET', key, 'eras', cjson.encode(eras))
  redis.call('RENAME', K.schedule_spans(id), K.schedule_spans(era(id, gen)))
end

local same_times = false
if stands[1] then
  local s = load_schedule(id)
  local before, after = cjson.decode(stands[2]), cjson.decode(fields.timing)
  -- An interval goes on counting from where it began, and ticks of the same times from where they are.
  if same_interval(before, after) then
    after.anchor_ms = before.anchor_ms
    fields.timing = stands[2]
    if before.tz ~= after.tz then fields.timing = cjson.encode({every_ms = after.every_ms, anchor_ms = after.anchor_ms, tz = after.tz}) end
  end
  local same_ticks = stands[2] == fields.timing or same_interval(before, after)
  same_times = same_ticks and stands[5]
  keep_definition(s)
  if not same_ticks then keep_spans(s.gen) end
end
redis.call('HDEL', key, 'common', 'request', 'entry', 'holes', 'deadline', 'cap', 'period', 'pause_after', 'jitter', 'tenant', 'deliver',
  'fills', 'line_cap', 'failures_most')
for field, value in pairs(fields) do if value ~= '' then redis.call('HSET', key, field, value) end end
redis.call('HSET', key, 'name', name, 'digest', noted(digest), 'changed', now)
if not same_times then
  redis.call('HSET', key, 'next', int(tick), 'due', int(due))
  redis.call('HDEL', key, 'before')
end
if stands[1] then
  redis.call('HINCRBY', key, 'gen', 1)
  if stands[4] == 'done' then redis.call('HSET', key, 'state', 'active') end
  if not same_times and stands[4] ~= 'paused' then redis.call('ZADD', K.schedules(), due, id) end
  tell({name = name, tenant = fields.tenant}, 'changed')
  return {'replaced', id}
end
redis.call('HSET', key, 'created', now, 'state', 'active')
redis.call('HSET', K.schedule_names(), name, id)
redis.call('ZADD', K.schedules(), due, id)
tell({name = name, tenant = fields.tenant}, 'created')
return {'made', id}
