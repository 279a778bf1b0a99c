--! use clock, record, backlog, accept
-- Schedules and their runs. A run is a tick's: its job is named `<schedule>-<tick>`, so that nothing makes it twice, and
-- rows of ticks that all had a run are kept as spans for as long as the schedule is, whatever becomes of the jobs' records.
-- Gives: load_schedule(id), run_of(id, tick), put_run(id, tick, run), in_span(id, tick), is_done(id, tick, eras),
-- note_done(id, tick, before, behind), start_run(id, s, tick, run), goes_on(id, tick, run),
-- reschedule(id, s, before, tick, due), tell(s, what, detail), era(id, gen), definition_of(id, s, gen), DEFINED.

local FIELDS_OF = {'name', 'state', 'next', 'last', 'before', 'created', 'missed', 'overlap', 'common', 'entry', 'request',
  'holes', 'live', 'due', 'pause_after', 'failures', 'costs', 'spans', 'tenant', 'deadline', 'gen', 'deliver', 'timing',
  'fills', 'line_cap', 'failures_most'}

-- What scripts go by, nil when there is no such schedule (any more).
local function load_schedule(id)
  local values = redis.call('HMGET', K.schedule(id), unpack(FIELDS_OF))
  if not values[1] or values[2] == 'deleted' then return nil end
  local s = {}
  for i, field in ipairs(FIELDS_OF) do if values[i] and values[i] ~= '' then s[field] = values[i] end end
  -- Which of its definitions stands: values made for another one do not fit its request.
  s.gen = s.gen or '0'
  return s
end

-- The fields of a definition that a run's job is made of.
local DEFINED = {'common', 'entry', 'request', 'holes', 'deadline', 'fills', 'line_cap', 'failures_most'}

-- A schedule as an earlier definition has it, for a run that waited while it was replaced.
local function definition_of(id, s, gen)
  if not gen or gen == s.gen then return s end
  local text = redis.call('HGET', K.schedule_definitions(id), gen)
  return text and cjson.decode(text) or s
end

local function run_of(id, tick)
  local text = redis.call('HGET', K.schedule_history(id), int(tick))
  return text and cjson.decode(text)
end

local LIVE = {running = true, queued = true}

-- Most runs that one call takes out of a history that is full.
local TRIM = 20

-- The runs that ended first go out of a history that is full. Those that go on are not among them.
local function trim_runs(id)
  local excess = redis.call('ZCARD', K.schedule_runs(id)) - C.RUNS_KEPT
  if excess <= 0 then return end
  local oldest = redis.call('ZPOPMIN', K.schedule_runs(id), math.min(excess, TRIM))
  for i = 1, #oldest, 2 do
    -- An earlier release has those here that go on, too: they come back when they end.
    local run = run_of(id, tonumber(oldest[i]))
    if not (run and LIVE[run.state]) then redis.call('HDEL', K.schedule_history(id), oldest[i]) end
  end
end

local function put_run(id, tick, run)
  redis.call('HSET', K.schedule_history(id), int(tick), cjson.encode(run))
  if not LIVE[run.state] and redis.call('ZADD', K.schedule_runs(id), 'NX', now, int(tick)) == 1 then trim_runs(id) end
end

-- Where the spans of ticks by times that were replaced stand: those of generation `gen`.
local function era(id, gen) return id .. '~' .. gen end

-- The span that a tick lies in or before: {from, to}, nil where none ends behind it.
local function span_at(id, tick)
  local found = redis.call('ZRANGE', K.schedule_spans(id), int(tick), '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
  return found[1] and {tonumber(found[1]), tonumber(found[2])}
end

local function in_span(id, tick)
  local span = span_at(id, tick)
  return span and span[1] <= tick or false
end

-- Whether a tick had its run, whatever became of it; `eras` are earlier times by which it was a tick as well.
local function is_done(id, tick, eras)
  local name = id .. '-' .. int(tick)
  if in_span(id, tick) or redis.call('EXISTS', K.job(name), K.batch(name)) > 0 then return true end
  for _, gen in ipairs(eras or {}) do if in_span(era(id, gen), tick) then return true end end
  return false
end

-- Most spans: a schedule that skips every other tick would have one for each. The gap between the two oldest then counts as
-- done: nothing there is run again, rather than something twice.
local SPANS = 1000

-- Notes that a tick had its run; `before` and `behind` are its neighbours by the schedule's timing, nil where nobody knows.
local function note_done(id, tick, before, behind)
  local key, from, to = K.schedule_spans(id), tick, tick
  local span = span_at(id, tick)
  if span and span[1] <= tick then return end
  local left = before and redis.call('ZRANGE', key, int(before), int(before), 'BYSCORE', 'LIMIT', 0, 1)[1]
  if left then from = tonumber(left) end
  if span and behind and span[1] == behind then
    to = span[2]
    redis.call('ZREM', key, int(behind))
  end
  redis.call('ZADD', key, to, int(from))
  if redis.call('ZCARD', key) > SPANS then
    local two = redis.call('ZRANGE', key, 0, 1, 'WITHSCORES')
    redis.call('ZREM', key, two[3])
    redis.call('ZADD', key, two[4], two[1])
  end
end

-- Text with one of its variables replaced, wherever it stands. Plain: neither has a pattern's letters looked at.
local function replaced(text, hole, value)
  local parts, from = {}, 1
  while true do
    local first, last = string.find(text, hole, from, true)
    if not first then break end
    parts[#parts + 1] = string.sub(text, from, first - 1)
    parts[#parts + 1] = value
    from = last + 1
  end
  parts[#parts + 1] = string.sub(text, from)
  return table.concat(parts)
end

local function request_of(s, run)
  local text = s.request
  for i, hole in ipairs(cjson.decode(s.holes or '[]')) do text = replaced(text, hole, run.values[i]) end
  return text
end

-- Until when a run may go on before it is late, where it is not known how long others took: an hour.
local UNKNOWN_MS = 3600000

local function listed(text)
  local values = {}
  for value in string.gmatch(text or '', '[^,]+') do values[#values + 1] = tonumber(value) end
  return values
end

local function median(text)
  local values = listed(text)
  if #values == 0 then return nil end
  table.sort(values)
  local middle = math.floor((#values + 1) / 2)
  return #values % 2 == 1 and values[middle] or (values[middle] + values[middle + 1]) / 2
end

-- A list of numbers with one more, of which the latest are kept.
local function with_latest(text, value)
  local values = listed(text)
  values[#values + 1] = value
  local kept = {}
  for i = math.max(1, #values - C.RUNS_USUAL + 1), #values do kept[#kept + 1] = int(values[i]) end
  return table.concat(kept, ',')
end

local function watch_until(s)
  local usual = median(s.spans)
  return now + C.LATE_MS + (usual and 3 * usual or UNKNOWN_MS)
end

-- Opens the batch of a run, and puts the message in its queue by which a worker has it filled (workers/…/fills). Both have the
-- run's name: whoever fills it a second time meets the same batch.
local function start_batch(id, name, tenant, s, tick, run)
  local job = run.job
  local told = {'state', 'open', 'created', now, 'submitted', 0, 'name', name .. ' ' .. run.at, 'tenant', tenant or '',
    'cap', s.line_cap or '', 'run', id .. ':' .. int(tick)}
  if run.backfill then told[#told + 1], told[#told + 2] = 'backfill', run.backfill end
  redis.call('HSET', K.batch(job), unpack(told))
  redis.call('ZADD', K.batches(), now, job)
  run.fills = job
  local about = {id = id, schedule = name, batch = job, arguments = cjson.decode(request_of(s, run))}
  local fields = {v = '1', st = 'queued', kd = 'm', q = C.BATCH_RUNS, ln = 'default', tg = C.ACTOR_TARGET, tn = '', at = '0',
    tr = '0', sb = int(now), sq = int(redis.call('INCR', K.sequence())), sc = id .. ':' .. int(tick)}
  -- Dramatiq's message, as everything of this kind in the store.
  accept(job, fields, cjson.encode({queue_name = C.BATCH_RUNS, actor_name = 'homa.fill', args = {id}, kwargs = about,
    options = {homa = true}, message_id = job, message_timestamp = now}))
end

-- Makes the job of a run, in the backfill's batch where `run.batch` names one, or its batch; false where it is there already.
local function start_run(id, s, tick, run)
  local job = id .. '-' .. int(tick)
  run.job, run.state, run.fired = job, 'running', now
  if redis.call('EXISTS', K.job(job), K.batch(job)) > 0 then return false end
  local watched, name, tenant = watch_until(s), s.name, s.tenant
  s = definition_of(id, s, run.gen)
  if s.fills then
    start_batch(id, name, tenant, s, tick, run)
    redis.call('ZADD', K.schedule_watch(), watched, id .. ':' .. int(tick) .. ' ' .. job)
    return true
  end
  local fields = new_record(s.common, s.entry)
  fields.sc = id .. ':' .. int(tick)
  -- Requests that are rendered otherwise are others: equal ones alone may share a reply.
  if fields.ck and s.holes then fields.ck = fields.ck .. redis.sha1hex(table.concat(run.values, '\n')) end
  if s.deadline then
    fields.dl = int(now + tonumber(s.deadline))
  end
  if run.batch then
    local lines = tonumber(redis.call('HINCRBY', K.batch(run.batch), 'lines', 1))
    redis.call('HINCRBY', K.batch(run.batch), 'submitted', 1)
    redis.call('HSET', K.batch_lines(run.batch), int(lines - 1), job)
    fields.ba, fields.li, fields.ci = run.batch, int(lines - 1), run.at
    fields.ln = 'bulk'
  end
  accept(job, fields, request_of(s, run))
  redis.call('ZADD', K.schedule_watch(), watched, fields.sc .. ' ' .. job)
  return true
end

-- Whether a run has not ended, as its record says.
local function goes_on(id, tick, run)
  if run.state == 'queued' then return true end
  if run.fills then
    local state = redis.call('HGET', K.batch(run.fills), 'state')
    return run.state == 'running' and state and state ~= 'complete' or false
  end
  local state = run.job and redis.call('HGET', K.job(run.job), 'st')
  return run.state == 'running' and state and not ENDED[state] or false
end

-- Sets the next tick; '' for none any more.
local function reschedule(id, s, before, tick, due)
  if tick and tick ~= '' then
    redis.call('HSET', K.schedule(id), 'next', int(tick), 'due', int(due), 'before', int(before))
    redis.call('ZADD', K.schedules(), due, id)
  else
    redis.call('HSET', K.schedule(id), 'state', 'done', 'before', int(before))
    redis.call('HDEL', K.schedule(id), 'next')
    redis.call('ZREM', K.schedules(), id)
  end
end

-- Tells of a schedule.
local function tell(s, what, detail) publish('schedule.' .. what, {tenant = s.tenant, detail = s.name .. (detail and ': ' .. detail or '')}) end
