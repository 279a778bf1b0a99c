--! use clock, limiter, breaker
-- What stands between a target and a call to it, apart from the job itself: plan, breakers, account.
local plans = {}

-- Scopes of a target as a provider serves it. A pool's queue has a row for each member: `target|provider`.
local function plan_of(queue, target, provider)
  local name = queue == provider and target or (target .. '|' .. provider)
  local plan = plans[name]
  if not plan then
    local v = redis.call('HMGET', K.target(name), 'account', 'quota', 'real', 'exempts')
    plan = {account = v[1] or provider, quota = v[2] or v[1] or provider, real = v[3] or target, known = v[3], exempts = v[4]}
    plans[name] = plan
  end
  return plan
end

-- Providers of a pool's members; nil for a target.
local function members_of(target)
  if string.sub(target, 1, #C.POOL_PREFIX) ~= C.POOL_PREFIX or string.find(target, ':', 1, true) then return nil end
  local members = {}
  for provider in string.gmatch(redis.call('HGET', K.target(target), 'members') or '', '%S+') do members[#members + 1] = provider end
  return members
end

local warm = {}

-- Tokens of a job's prompt that its target holds in its prompt cache and does not count; nil where it counts all of them.
local function exempt_tokens(r, plan)
  if not r.pk or plan.exempts ~= '1' then return nil end
  local name = K.shared_prefix(plan.real, r.pk)
  if warm[name] == nil then warm[name] = redis.call('EXISTS', name) == 1 end
  return warm[name] and r.pt or nil
end

-- Milliseconds until the target may be called at all, and why not now.
local function blocked(plan)
  local wait = breaker_wait(breaker(plan.account))
  if wait > 0 then return wait, 'breaker ' .. plan.account end
  wait = breaker_wait(breaker(plan.real))
  if wait > 0 then return wait, 'breaker ' .. plan.real end
  local account, why = headroom(scope(plan.account), NO_COST)
  if account > 0 then return account, why end
  return 0
end

-- Whether calls given now may change what `blocked` says: a slot, a day's count, the probe of a breaker or of a freeze.
local function may_be_blocked(plan)
  local account = scope(plan.account)
  return breaker(plan.account).state ~= 'closed' or breaker(plan.real).state ~= 'closed' or account.conc or account.rpd
    or (account.frozen or 0) > now
end

-- What stands between a pool and its next call: nothing, while one member may be called; else what passes first.
local function pool_blocked(target, members)
  local soonest, what
  for _, member in ipairs(members) do
    local plan = plan_of(target, target, member)
    local ms, why = blocked(plan)
    if ms == 0 then ms, why = headroom(scope(plan.quota), one_request()) end
    if ms and (not soonest or ms < soonest) then soonest, what = ms, why end
    if soonest == 0 then return 0 end
  end
  return soonest or 0, what
end
