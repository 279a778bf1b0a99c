--! flags allow-oom
--! use clock, record, backlog, ending, attempt, report, follow, restore_attempt
-- The attempt is over, the job goes on: deferred (same target, due later), rerouted (next target), or released (handed
-- back unsent, as if it had not been taken).
--
-- KEYS[1] anchor
-- ARGV: job, attempt, event (job.deferred, job.rerouted, job.released), delay_ms, report JSON,
--       1 when the attempt counts against the job's attempt budget, what changes in the record as JSON ({}, or the next target's fields)
-- Returns ok, ended (cancelled or expired instead), stale, late, unknown.
local id, attempt, event, delay = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local report = read_report(ARGV[5])
local r = load_record(id)
if forgotten(r, attempt) then restore_attempt(id, r, attempt, report.worker or '', report.by) end
if not is_running(r, attempt, report.worker) then return refuse(id, r, attempt, report) end
end_attempt(id, r, report)
if ARGV[6] ~= '1' then redis.call('HSET', K.job(id), 'tr', r.tr - 1) end

if r.cx or (r.ba and redis.call('HEXISTS', K.batch(r.ba), 'cancel') == 1) then
  end_job(id, r, 'cancelled', nil, 'cancelled while it ran')
  after_failure(id, r)
  return 'ended'
end
if r.dl and r.dl <= now then
  end_job(id, r, 'expired', nil, 'its deadline passed; its last attempt ended as ' .. report.outcome .. words_of(report))
  after_failure(id, r)
  return 'ended'
end
local fields = cjson.decode(ARGV[7])
-- At another target it is another request: its followers get another leader, and its reply answers no equal job. Where an
-- answer is graded elsewhere, it brings its key.
if fields.tg and (not r.ck or fields.ck ~= r.ck) then
  after_failure(id, r)
  fields.ck = fields.ck or cjson.null
end
change(id, r, fields)
make_ready(id, r, delay > 0 and now + delay or nil)
ring(r.q, 1)
if event ~= 'job.released' then emit(event, id, r, report.outcome) end
return 'ok'
