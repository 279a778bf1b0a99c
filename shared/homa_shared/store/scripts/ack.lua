--! flags allow-oom
--! use clock, record, backlog, ending, attempt
-- The end of a run of an ordinary Dramatiq message, together with whatever the actor enqueued while it ran.
--
-- KEYS[1] anchor
-- ARGV: message, attempt, state (succeeded, failed, or again), delay_ms and new text for `again`,
--       then six per message to enqueue: id, queue, lane, text, delay_ms, priority
-- Returns ok or stale. Nothing is enqueued by a stale ack: the run that took over will enqueue its own.
local id, attempt, state = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local r = load_record(id)
if not (r and r.st == 'running' and r.at == attempt) then return 'stale' end
end_attempt(id, r, {outcome = state, charge = 'none', health = ''})
for i = 6, #ARGV, 6 do
  local other, queue, lane, text, delay = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4])
    local priority = tonumber(ARGV[i + 5])
  if redis.call('EXISTS', K.job(other)) == 0 then
    local m = {q = queue, ln = lane, tg = C.ACTOR_TARGET, tn = '', sq = place_of(redis.call('INCR', K.sequence()), priority)}
    redis.call('HSET', K.job(other), 'v', 1, 'st', 'queued', 'kd', 'm', 'q', queue, 'ln', lane, 'tg', m.tg, 'tn', '', 'sq', m.sq,
      'at', 0, 'tr', 0, 'sb', now, unpack(priority ~= 0 and {'pr', priority} or {}))
    redis.call('SET', K.request(other), text)
    redis.call('HINCRBY', K.counters(), 'submitted', 1)
    redis.call('HINCRBY', K.counters(), 'live', 1)
    redis.call('SADD', K.queues(), queue)
    make_ready(other, m, delay > 0 and now + delay or nil)
    ring(queue, 1)
  end
end
if state == 'again' then
  redis.call('SET', K.request(id), ARGV[5])
  make_ready(id, r, tonumber(ARGV[4]) > 0 and now + tonumber(ARGV[4]) or nil)
  ring(r.q, 1)
  return 'ok'
end
end_job(id, r, state, '{}', '')
-- A message that succeeded has nothing to show; a dead one is kept.
if state == 'succeeded' then redis.call('DEL', K.job(id), K.request(id), K.reply(id), K.attempts(id)) end
return 'ok'
