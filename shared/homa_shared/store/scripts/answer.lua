--! flags allow-oom
--! use clock, record, backlog
-- Answers a step of a flow that waits, once: the job goes back to its queue, for a worker to end it by the answer. The same
-- answer again is taken as the first time, since a reply may have been lost.
--
-- KEYS[1] anchor
-- ARGV: job, token, digest of the answer, the request with it
-- Returns ok; unknown (no such job, or another token); answered (otherwise); expired; cancelled; or the state in which it ended.
-- Cost: O(log N).
local id = ARGV[1]
local r = load_record(id)
if not r or not r.tk or r.tk ~= ARGV[2] then return 'unknown' end
if ENDED[r.st] and r.st ~= 'succeeded' then return r.st end
if not ENDED[r.st] and (r.cx or redis.call('HEXISTS', K.batch(r.ba), 'cancel') == 1) then return 'cancelled' end
if r.aw then return r.aw == ARGV[3] and 'ok' or 'answered' end
-- Housekeeping may have sent it on, or not have come to it.
if r.st ~= 'waiting' or tonumber(redis.call('ZSCORE', K.waiting(r.why), id) or 0) <= now then return 'expired' end
redis.call('SET', K.request(id), ARGV[4])
redis.call('HSET', K.job(id), 'aw', ARGV[3])
leave_waiting(id, r, true)
make_ready(id, r)
ring(r.q, 1)
emit('job.answered', id, r)
return 'ok'
