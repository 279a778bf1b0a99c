--! use clock, record, backlog, schedule, schedule_alarm
-- Deliveries of what a run, or a job or batch with a webhook, came to: a job each, of the queue of deliveries, named by the run's job and a digest of the
-- target, so that none is made twice. What became of each stands with its schedule.
-- Gives: deliver(id, s, tick, run), note_delivery(id, name, fields), give_up(job, kind, detail), send(job, text, run_job, tenant), standing_alarm(id).

-- The kind of the alarm that stands; nil where none does.
local function standing_alarm(id)
  local told = redis.call('HGET', K.schedule(id), 'alarm')
  return told and cjson.decode(told).kind
end

-- A target for people: what stands behind the host of a webhook is often its secret.
local function shown_target(target)
  local host = string.match(string.lower(target), '^https?://[^/?#]+')
  return host and host .. '/...' or target
end

-- Puts the message of a delivery in its queue. What the run came to stays as long as that is tried, or may be asked for again.
local function send(job, text, run_job, tenant)
  local fields = {v = '1', st = 'queued', kd = 'm', q = C.DELIVERIES, ln = 'default', tg = C.ACTOR_TARGET, tn = tenant or '', at = '0',
    tr = '0', sb = int(now), sq = int(place_of(redis.call('INCR', K.sequence()), 0))}
  accept(job, fields, text)
  local kept = {K.job(run_job), K.reply(run_job), K.batch(run_job), K.batch_done(run_job), K.batch_lines(run_job)}
  for _, key in ipairs(kept) do redis.call('PEXPIRE', key, 2 * C.DELIVERY_MS, 'GT') end
end

-- Takes the oldest of an index out of what is told of deliveries.
local function trim_deliveries(id, index, most)
  local excess = redis.call('ZCARD', K.schedule_delivered(index or id)) - (most or C.DELIVERIES_KEPT)
  if excess <= 0 then return end
  local oldest = redis.call('ZPOPMIN', K.schedule_delivered(index or id), excess)
  for i = 1, #oldest, 2 do redis.call('HDEL', K.schedule_deliveries(id), oldest[i]) end
end

-- Changes what is told of a delivery; nothing where it is told of no more.
local function note_delivery(id, name, fields)
  local text = redis.call('HGET', K.schedule_deliveries(id), name)
  if not text then return end
  local told = cjson.decode(text)
  told.error, told.next = nil, nil
  for field, value in pairs(fields) do told[field] = value end
  redis.call('HSET', K.schedule_deliveries(id), name, cjson.encode(told))
  -- Webhooks that arrived make no room for themselves at the cost of those that did not.
  if told.about and fields.state == 'delivered' then
    redis.call('ZREM', K.schedule_delivered(id), name)
    redis.call('ZADD', K.schedule_delivered(id .. '+'), now, name)
    trim_deliveries(id, id .. '+', C.WEBHOOKS_DELIVERED_KEPT)
  end
end

local function deliver_to(id, s, tick, run, target)
  local name = run.job .. '~' .. string.sub(redis.sha1hex(target), 1, 8)
  if redis.call('HEXISTS', K.schedule_deliveries(id), name) == 1 or redis.call('EXISTS', K.job(name)) == 1 then return end
  local told = {delivery = name, id = id, schedule = s.name, tick = tick, at = run.at, target = target, job = run.job, state = run.state,
    by = run.by, since = run.since, cost = run.cost, unresolved = run.unresolved, detail = run.detail, ended = run.ended, timing = s.timing, batch = run.fills,
    lines = run.lines, lines_failed = run.lines_failed, unsent = run.unsent, tenant = s.tenant}
  -- Dramatiq's message, as everything of this kind in the store.
  send(name, cjson.encode({queue_name = C.DELIVERIES, actor_name = 'homa.deliver', args = {id}, kwargs = told,
    options = {homa = true}, message_id = name, message_timestamp = now}), run.job)
  redis.call('HSET', K.schedule_deliveries(id), name, cjson.encode({tick = tick, at = run.at, target = shown_target(target),
    state = 'waiting', tries = 0, asked = now, job = name}))
  redis.call('ZADD', K.schedule_delivered(id), now, name)
end

local function deliver(id, s, tick, run)
  for _, target in ipairs(cjson.decode(s.deliver)) do deliver_to(id, s, tick, run, target) end
  trim_deliveries(id)
end

-- Tells of a delivery whose job has ended otherwise than by delivery.
local function give_up(job, kind, detail)
  local text, state = redis.call('GET', K.request(job)), redis.call('HGET', K.job(job), 'st')
  if not text or not ENDED[state] or state == 'succeeded' then return end
  local about = cjson.decode(text).kwargs
  local s = load_schedule(about.id)
  if not s and not about.about then return end
  if kind ~= 'delivery' then detail = kind .. ': ' .. detail end
  detail = beginning(detail, 200)
  note_delivery(about.id, about.delivery, {state = state == 'failed' and 'failed' or 'cancelled', error = detail, ended = now})
  if state ~= 'failed' then return end
  if not s then
    publish('webhook.failed', {job = about.job, batch = about.batch, tenant = about.tenant, detail = detail})
    return
  end
  alarm(about.id, s, about.tick, 'delivery', about.at .. ' was not delivered to ' .. shown_target(about.target) .. ': ' .. detail)
end
