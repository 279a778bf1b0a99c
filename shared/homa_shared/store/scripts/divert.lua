--! flags allow-oom
--! use clock, record, backlog, ending, follow
-- Moves a job that waits for a target out of reach to its next target; no attempt was made.
--
-- KEYS[1] anchor
-- ARGV: job, target that it waits for, reason, the next target's fields as JSON
-- Returns ok, or stale when the job no longer waits there.
local id, from, reason = ARGV[1], ARGV[2], ARGV[3]
local r = load_record(id)
if not r or r.st ~= 'queued' or r.tg ~= from then return 'stale' end
withdraw(id, r)
redis.call('HSET', K.attempts(id), 'diverted.' .. int(r.fb or 0), cjson.encode({
  target = from, outcome = 'diverted', charge = 'none', nano = '0', unres = '0', unpriced = 0, budgets = '',
  started = now, ended = now, note = cjson.encode({error = reason}),
}))
-- At another target it is another request: its followers get another leader, and its reply answers no equal job.
local fields = cjson.decode(ARGV[4])
after_failure(id, r)
fields.ck = fields.ck or cjson.null
change(id, r, fields)
make_ready(id, r)
ring(r.q, 1)
emit('job.rerouted', id, r, reason)
return 'ok'
