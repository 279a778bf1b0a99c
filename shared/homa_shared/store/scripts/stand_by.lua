--! flags allow-oom
--! use clock, record, backlog, limiter, breaker, budget
-- Gives back what is reserved for a running attempt's call that cannot leave yet. Quota that is reserved now and used later
-- would be counted in one window here and in another one at the provider: so the call reserves anew, by `next_step`, when it
-- leaves. Until then the attempt holds its slots and nothing else, and nothing is in flight.
--
-- KEYS[1] anchor
-- ARGV: job, attempt, worker
-- Returns ok (also when repeated), or stale (the attempt is over, or another worker's). Cost: O(budgets).
local id, attempt, worker = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local r = load_record(id)
if not (r and r.st == 'running' and r.at == attempt and r.wk == worker) then return 'stale' end
if r.sw then return 'ok' end
local began = r.sa or r.as
local quota = scope(r.qs)
settle_quota(quota, need_of(r, r.xt), nothing_used(), began)
-- Nor does it stand in the way of others as the probe of a freeze or of a breaker.
give_back_probe(quota, began)
breaker_void(breaker(r.ps), began)
breaker_void(breaker(r.tt or r.tg), began)
save_scopes()
for name in string.gmatch(r.bi or '', '[^\n]+') do
  charge(name, 0, 0, -(tonumber(r.bn or nil) or 0))
  release('budget:' .. name, 16)
end
redis.call('HSET', K.job(id), 'sw', 1)
redis.call('HDEL', K.job(id), 'bi', 'sr', 'sa', 'xt')
ring(r.q, 1)
return 'ok'
