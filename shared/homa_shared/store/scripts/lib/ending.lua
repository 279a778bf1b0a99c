--! use clock, settings_row, record, backlog, sums, turns, flow_nodes
-- How a job ends: exactly once, and with it its place in batch, counters and indexes.

-- How long the settings say that something is kept, whole ms; nil where they say nothing of use.
local function kept_setting(name)
  local ms = number_of(setting(name))
  return ms and ms >= 0 and math.floor(at_most(LARGEST, ms)) or nil
end

local retention
do
  -- Each job asks a few times.
  local known = {}

  function retention(what)
    if not known[what] then
      known[what] = what == 'requests' and (kept_setting('keep.requests') or 0)
        or math.max(1, kept_setting('keep.results') or C.RESULTS_KEPT_MS)
    end
    return known[what]
  end
end

-- Whether an attempt's cost is unresolved. The sum alone says nothing of attempts without a known bound, and their number
-- nothing of those that an earlier release left.
local function has_open_cost(r) return (r.uo or 0) > 0 or (r.un or 0) > 0 end

-- How long the record of an ended job is kept, as is its history. One with unresolved cost is what that cost can be settled
-- by: it stays until the sweep has settled it (and is kept for longer by the sweep, where settings ask for more patience).
local function record_kept(open)
  local keep = retention('results')
  if not open then return keep end
  local ledger = kept_setting('keep.ledger') or C.LEDGER_KEPT_MS
  return at_most(LARGEST, math.max(keep, ledger, kept_setting('unresolved.after') or 0) + DAY_MS)
end

-- A sealed batch is complete when each of its lines has ended.
local function complete_batch(batch)
  local key = K.batch(batch)
  local v = redis.call('HMGET', key, 'state', 'total', 'succeeded', 'failed', 'cancelled', 'expired', 'flow', 'webhook', 'run')
  local total, ended = number_of(v[2]), 0
  for i = 3, 6 do ended = ended + (number_of(v[i]) or 0) end
  if v[1] == 'sealed' and total and ended >= total then
    redis.call('HSET', key, 'state', 'complete', 'completed', now)
    publish('batch.completed', {batch = batch})
    if (v[8] or '') ~= '' then redis.call('ZADD', K.webhooks_due(), now, 'batch:' .. batch) end
    -- A run of a schedule, which the next look at schedules sums up (close_runs.lua).
    if v[9] then redis.call('ZADD', K.schedule_ended(), now, v[9] .. ' ' .. batch) end
    local keep = retention('results')
    redis.call('PEXPIRE', key, keep)
    redis.call('PEXPIRE', K.batch_done(batch), keep)
    redis.call('PEXPIRE', K.batch_lines(batch), keep)
    if v[7] then
      redis.call('PEXPIRE', K.flow(batch), keep)
      redis.call('PEXPIRE', K.flow_nodes(batch), keep)
    end
    redis.call('PEXPIRE', K.batch_failures(batch), keep)
  end
end

-- What an end means for what belongs to the job alone, beside its record, history, reply and request.
local function keep_beside(id, r)
  -- A run of a schedule is summed up by the next look at schedules (close_runs.lua).
  if r.sc then redis.call('ZADD', K.schedule_ended(), now, r.sc .. ' ' .. id) end
  -- So is a webhook made by it (make_webhooks.lua).
  if r.wh then redis.call('ZADD', K.webhooks_due(), now, id) end
  if r.kd == 'm' and r.q == C.DELIVERIES then redis.call('ZADD', K.deliveries_ended(), now, id) end
  -- What a later attempt would have gone on from: of use only to a retry by hand, which begins anew.
  if r.sn then redis.call('DEL', K.steps(id)) end
  if r.dl then redis.call('ZREM', K.deadlines(), id) end
  local keep = retention('results')
  if r.jb then redis.call('PEXPIRE', K.budget('job:' .. id), keep) end
  -- Asked again with the same key, this job answers for as long as its result can be read, and longer where settings say so.
  if r.ik then redis.call('PEXPIRE', K.idempotency(r.tn, r.ik), math.max(keep, kept_setting('keep.keys') or 0)) end
end

-- Counts a failure under its cause and target, by the hour and in its batch; `by` is -1 where a retry takes its place.
local function count_failure(id, r, at, by)
  local row = r.ca .. '|' .. r.tg .. '|'
  local hour = K.failures(int(math.floor(at / C.HOUR_MS)))
  local kept = {[hour] = math.floor(at) + C.FAILURES_KEPT_MS - now}
  if r.ba then kept[K.batch_failures(r.ba)] = 0 end
  for key, left in pairs(kept) do
    -- What is no longer kept, or was counted by no release before, has nothing to be taken from.
    if by > 0 or redis.call('HEXISTS', key, row .. 'count') == 1 then
      local count = redis.call('HINCRBY', key, row .. 'count', by)
      if by > 0 then
        redis.call('HSETNX', key, row .. 'first', now)
        redis.call('HSET', key, row .. 'last', now, row .. 'sample', id)
        if left > 0 then redis.call('PEXPIRE', key, left) end
      elseif count <= 0 then
        -- What fails alike later begins anew, with a first time of its own.
        redis.call('HDEL', key, row .. 'count', row .. 'first', row .. 'last', row .. 'sample')
      end
    end
  end
end

-- The kind of error that an outcome tells of; one of no kind is `unknown`.
local function cause_of(text)
  local ok, told = pcall(cjson.decode, text)
  local error = ok and type(told) == 'table' and told.error
  local kind = type(error) == 'table' and error.kind
  return type(kind) == 'string' and string.match(kind, '^[%w_]+$') or 'unknown'
end

-- Counts ends of n jobs such as r, by `add(key, field, by)`; `bytes` of their replies, nil where a script ends them.
local function count_ends(add, r, state, n, bytes)
  if bytes and state == 'succeeded' and r.kd ~= 'm' then
    add(K.counters(), 'replies', n)
    add(K.counters(), 'reply_bytes', bytes)
  end
  add(K.counters(), 'live', -n)
  add(K.counters(), state, n)
  if r.ba and r.kd ~= 'm' then add(K.batch(r.ba), state, n) end
end

-- Wakes those who wait for a job's end. They look now and then, too; a user without rights to the channel must not lose what
-- was written before.
local function wake_waiting(id, r, state)
  redis.pcall('PUBLISH', P .. 'end:' .. id, state)
  if r.nt then redis.pcall('PUBLISH', P .. 'ends:' .. r.nt, id) end
end

-- Ends a live job that stands in no index any more. `reply` is the outcome as JSON, nil when a script ends the job.
local function end_job(id, r, state, reply, detail)
  redis.call('HSET', K.job(id), 'st', state, 'en', now)
  redis.call('HDEL', K.job(id), unpack(FIELDS.waiting))
  local text = reply
  if not text then
    -- `budget: …` says what kind of failure it is; without such a word the state says it.
    local kind = string.gsub(state == 'failed' and string.match(detail or '', '^(%a[%a ]*): ') or state, ' ', '_')
    text = cjson.encode({error = {kind = kind, message = detail or state}, custom_id = r.ci})
  end
  local keep, record = retention('results'), record_kept(has_open_cost(r))
  redis.call('SET', K.reply(id), text, 'PX', keep)
  redis.call('PEXPIRE', K.job(id), record)
  redis.call('PEXPIRE', K.attempts(id), record)
  if state == 'succeeded' then
    local keep_request = retention('requests')
    if keep_request > 0 then redis.call('PEXPIRE', K.request(id), keep_request) else redis.call('DEL', K.request(id)) end
  else
    redis.call('PEXPIRE', K.request(id), keep)
    redis.call('ZADD', K.ended(), now, id)
  end
  keep_beside(id, r)
  if r.cv then close_turn(id, r, state, text) end
  -- Before its end is counted, so that a run is complete only where nothing came of it.
  if r.nd then Flow.node_ended(id, r, state) end
  count_ends(add_at_once, r, state, 1, reply and #reply)
  if r.kd ~= 'm' then
    if state == 'failed' then
      r.ca = cause_of(text)
      redis.call('HSET', K.job(id), 'ca', r.ca)
      count_failure(id, r, now, 1)
    end
    emit('job.' .. state, id, r, detail)
    if r.ba then
      redis.call('RPUSH', K.batch_done(r.ba), id)
      complete_batch(r.ba)
    end
    wake_waiting(id, r, state)
  end
  r.st = state
end
