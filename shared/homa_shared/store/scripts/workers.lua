--! flags allow-oom
--! use clock
-- Workers that beat within the last hour; writes nothing.
--
-- KEYS[1] anchor
-- ARGV: none
-- Returns {worker, ms since its last beat, its facts as JSON} of the 500 that beat last.
local rows = {}
local beats = redis.call('ZREVRANGEBYSCORE', K.workers(), '+inf', now - C.WORKER_KEPT_MS, 'WITHSCORES', 'LIMIT', 0, 500)
for i = 1, #beats, 2 do
  rows[#rows + 1] = {beats[i], math.max(0, now - tonumber(beats[i + 1])), redis.call('HGET', K.worker(beats[i]), 'facts')}
end
return rows
