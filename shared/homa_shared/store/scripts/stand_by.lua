--! flags allow-oom
--! use clock, record, backlog, limiter, breaker, budget, stale, give_back
-- Gives back what is reserved for a running attempt's call that cannot leave yet. Quota that is reserved now and used later
-- would be counted in one window here and in another one at the provider: so the call reserves anew, by `next_step`, when it
-- leaves. Until then the attempt holds its slots and nothing else, and nothing is in flight.
--
-- KEYS[1] anchor
-- ARGV: job, attempt, worker, nonce
-- Returns ok (also when repeated, or where the worker has asked for something else since), or stale (the attempt is over, or
-- another worker's). Cost: O(budgets).
local id, attempt, worker, nonce = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local r = load_record(id)
if not (r and r.st == 'running' and r.at == attempt and r.wk == worker) then return 'stale' end
-- Sent twice, it may arrive behind the `next_step` that reserved anew: a call is in flight by that.
if r.rn == nonce or is_stale(nonce, r.rn) then return 'ok' end
if not r.sw then give_back_call(id, r) end
redis.call('HSET', K.job(id), 'rn', nonce)
save_scopes()
return 'ok'
