--! use clock, limiter, breaker
-- What stands between a target and a call to it, apart from the job itself: plan, breakers, account.
local plans = {}

-- Scopes of a target as a provider serves it. A pool's queue has a row for each member: `target|provider`.
local function plan_of(queue, target, provider)
  local name = queue == provider and target or (target .. '|' .. provider)
  local plan = plans[name]
  if not plan then
    local v = redis.call('HMGET', K.target(name), 'account', 'quota', 'real')
    plan = {account = v[1] or provider, quota = v[2] or v[1] or provider, real = v[3] or target}
    plans[name] = plan
  end
  return plan
end

-- Milliseconds until the target may be called at all, and why not now.
local function blocked(plan)
  local wait = breaker_wait(breaker(plan.account))
  if wait > 0 then return wait, 'breaker ' .. plan.account end
  wait = breaker_wait(breaker(plan.real))
  if wait > 0 then return wait, 'breaker ' .. plan.real end
  local account, why = headroom(scope(plan.account), {r = 0})
  if account > 0 then return account, why end
  return 0
end
