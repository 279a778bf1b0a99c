--! flags allow-oom
--! use clock, record, backlog, ending, attempt, report, follow, restore_attempt
-- The attempt at a step of a flow that waits is over, at no cost: the job stands aside until its token is answered or has
-- expired. Asked again, it changes nothing.
--
-- KEYS[1] anchor
-- ARGV: job, attempt, report JSON, token, ms until it expires, the request with its question
-- Returns ok, ended (cancelled instead), stale, late, unknown.
-- Cost: O(log N).
local id, attempt, token = ARGV[1], tonumber(ARGV[2]), ARGV[4]
local report = read_report(ARGV[3])
local r = load_record(id)
if r and r.tk == token then return 'ok' end
if forgotten(r, attempt) then restore_attempt(id, r, attempt, report.worker or '', report.by) end
if not is_running(r, attempt, report.worker) then return refuse(id, r, attempt, report) end
end_attempt(id, r, report)
-- Whoever waits for an answer has not been tried.
redis.call('HSET', K.job(id), 'tr', r.tr - 1)
if r.cx or redis.call('HEXISTS', K.batch(r.ba), 'cancel') == 1 then
  end_job(id, r, 'cancelled', nil, 'cancelled while it ran')
  after_failure(id, r)
  return 'ended'
end
local reason = 'token:' .. r.ba
redis.call('SET', K.request(id), ARGV[6])
redis.call('HSET', K.job(id), 'tk', token)
set_aside(id, r, reason)
-- In the order in which they expire.
redis.call('ZADD', K.waiting(reason), now + tonumber(ARGV[5]), id)
emit('job.asked', id, r, token)
return 'ok'
