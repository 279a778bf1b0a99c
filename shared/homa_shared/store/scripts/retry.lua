--! flags allow-oom
--! use clock, record, backlog, ending, turns, retried_turn
-- Retries a job that ended without success as a new job of its own, so that no job ends twice. A batch's line points to
-- its new job, and the batch is incomplete again until that one has ended.
--
-- KEYS[1] anchor
-- ARGV: job, id of the new job, what changes in the record as JSON ({}: nothing; else the fields of the target to start at)
-- Returns {answer, job}: ok, retried (it was before; the job that did), unknown, damaged, or the state or batch that forbids it.
-- A turn of a conversation waits for the new job, as long as no later turn was begun.
-- A deadline is granted anew, as long as the first one was.
local old, id = ARGV[1], ARGV[2]
local r = load_record(old)
if not r or r.kd == 'm' then return {'unknown', ''} end
if r.rb then return {'retried', r.rb} end
-- What depends on it has gone on without it.
if r.nd then return {'node of a flow', ''} end
if not ENDED[r.st] or r.st == 'succeeded' then return {r.st, ''} end
-- Without what the field said (a budget of its own, a deadline) it would not be the same job.
if r.damage then return {'damaged', ''} end
if redis.call('EXISTS', K.request(old)) == 0 then return {'request gone', ''} end
if redis.call('EXISTS', K.job(id)) == 1 then return {'id taken', ''} end

local batch = r.ba and redis.call('HMGET', K.batch(r.ba), 'state', 'cancel') or {}
if r.ba and not batch[1] then return {'batch gone', ''} end
if batch[2] then return {'batch cancelled', ''} end
local gone = r.cv and retry_turn(r.cv, old, id)
if gone then return {gone, ''} end

local n = {st = 'queued', at = 0, tr = 0, sb = now, sq = redis.call('INCR', K.sequence()), of = old}
for _, field in ipairs(FIELDS.retried) do n[field] = r[field] end
if r.dl then n.dl = now + r.dl - r.sb end
if r.ba then
  n.li = r.li or string.match(string.sub(old, #r.ba + 1), '^%-(%d+)$')
  redis.call('HSET', K.batch_lines(r.ba), n.li, id)
  redis.call('HINCRBY', K.batch(r.ba), r.st, -1)
  if batch[1] == 'complete' then
    redis.call('HSET', K.batch(r.ba), 'state', 'sealed')
    redis.call('HDEL', K.batch(r.ba), 'completed')
    redis.call('PERSIST', K.batch(r.ba))
    redis.call('PERSIST', K.batch_done(r.ba))
    redis.call('PERSIST', K.batch_lines(r.ba))
    redis.call('PERSIST', K.batch_failures(r.ba))
  end
end
for field, value in pairs(n) do redis.call('HSET', K.job(id), field, value) end
change(id, n, cjson.decode(ARGV[3]))
redis.call('HSET', K.job(old), 'rb', id)
if r.ca then count_failure(old, r, r.en or now, -1) end
redis.call('COPY', K.request(old), K.request(id))
redis.call('PERSIST', K.request(id))
redis.call('HINCRBY', K.counters(), 'submitted', 1)
redis.call('HINCRBY', K.counters(), 'live', 1)
redis.call('SADD', K.queues(), n.q)
make_ready(id, n)
ring(n.q, 1)
emit('job.retried', id, n, old)
return {'ok', id}
