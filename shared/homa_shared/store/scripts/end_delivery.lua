--! flags allow-oom
--! use clock, record, backlog, ending, attempt, schedule, schedule_alarm, schedule_delivery
-- The end of one try of a delivery: it arrived, is tried again later, or is given up for good.
--
-- KEYS[1] anchor
-- ARGV: its job, attempt, outcome (delivered, again, refused), what went wrong, delay_ms for `again`
-- Returns delivered, again, failed or stale. A delivery that would be tried again after more than its time is given up; the
-- next look at schedules tells of it (close_runs.lua), as of one that a worker does not survive. Cost: O(log N).
local id, attempt, outcome, detail, delay = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local r = load_record(id)
if not (r and r.st == 'running' and r.at == attempt) then return 'stale' end
local about = cjson.decode(redis.call('GET', K.request(id))).kwargs
if outcome == 'again' and now + delay > r.sb + C.DELIVERY_MS then outcome = 'refused' end
end_attempt(id, r, {outcome = outcome == 'delivered' and 'succeeded' or outcome == 'again' and 'again' or 'failed', charge = 'none', health = ''})

if outcome == 'again' then
  make_ready(id, r, now + delay)
  ring(r.q, 1)
  note_delivery(about.id, about.delivery, {tries = attempt, error = beginning(detail, 200), next = now + delay})
  return 'again'
end
if outcome == 'refused' then
  note_delivery(about.id, about.delivery, {tries = attempt, error = beginning(detail, 200)})
  end_job(id, r, 'failed', cjson.encode({error = {kind = 'delivery', message = detail}}), '')
  return 'failed'
end
end_job(id, r, 'succeeded', '{}', '')
redis.call('ZREM', K.deliveries_ended(), id)
redis.call('DEL', K.job(id), K.request(id), K.reply(id), K.attempts(id))
note_delivery(about.id, about.delivery, {state = 'delivered', tries = attempt, ended = now})

-- The alarm of a delivery stands until none is undelivered.
if standing_alarm(about.id) == 'delivery' then
  local told = redis.call('HGETALL', K.schedule_deliveries(about.id))
  for i = 2, #told, 2 do
    if cjson.decode(told[i]).state == 'failed' then return 'delivered' end
  end
  redis.call('HDEL', K.schedule(about.id), 'alarm')
end
return 'delivered'
