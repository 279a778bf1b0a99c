--! use record, backlog, limiter, breaker, budget
-- What is reserved for a running attempt's call that is not made yet goes back: the attempt holds its slots and nothing else.
-- Gives: give_back_call(id, r); the caller saves scopes.

local function give_back_call(id, r)
  local began = r.sa or r.as or now
  local quota = scope(r.qs)
  settle_quota(quota, need_of(r, r.xt), nothing_used(), began)
  -- Nor does it stand in the way of others, or of itself, as the probe of a freeze or of a breaker.
  give_back_probe(quota, began)
  breaker_void(breaker(r.ps), began)
  breaker_void(breaker(r.tt or r.tg), began)
  for name in string.gmatch(r.bi or '', '[^\n]+') do
    charge(name, 0, 0, -(tonumber(r.bn or nil) or 0))
    release('budget:' .. name, 16)
  end
  redis.call('HSET', K.job(id), 'sw', 1)
  redis.call('HDEL', K.job(id), 'bi', 'sr', 'sa', 'xt')
  ring(r.q, 1)
end
