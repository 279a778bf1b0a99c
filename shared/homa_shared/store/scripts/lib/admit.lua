--! use record, backlog, ending, limiter, congestion, budget, follow, target, money, take_call, turn_away
-- Whether quota and budget allow a job's call now. What they never will ends here; what a budget holds for now stands aside.
-- Gives: admit(id, r, plan, target): yes with what it costs and the budgets it is charged to; stop with ms and what is short,
-- for all of its group; or gone, when it is out of its backlog.

-- Whether a job that is larger than this member's limit is small enough for another member of its pool.
local function fits_elsewhere(target, cost)
  for _, member in ipairs(members_of(target) or {}) do
    local limits = scope(plan_of(target, target, member).quota)
    local fits = true
    for _, dimension in ipairs(DIMENSIONS) do
      local limit, amount = limits[dimension.limit], cost[dimension.letter]
      if dimension.record and limit and amount and amount > limit then fits = false end
    end
    if fits then return true end
  end
  return false
end

-- 0, or ms and what is short; nil where no limit will ever allow it.
local function quota_wait(r, plan, target, cost)
  local ms, what = headroom(scope(plan.quota), cost)
  if not ms and fits_elsewhere(target, cost) then return 1000, what end
  if what == ADAPTIVE.limit and ms and ms > 0 then grow(scope(plan.quota)) end
  return ms, what
end

local function fail_too_large(id, r, plan, what)
  dequeue(id, r)
  end_job(id, r, 'failed', nil, 'too large: it needs more ' .. what .. ' than the limit of ' .. plan.quota .. ' allows')
  after_failure(id, r)
end

-- The budgets that a job is charged to; nil when it is out of its backlog.
local function budgets_for(id, r)
  local caps = caps_of(id, r)
  if #caps == 0 then return caps end
  if not r.bn then
    dequeue(id, r)
    end_job(id, r, 'failed', nil, 'unpriced: a budget applies, and the price of ' .. r.tg .. ' is not known, or its request has no bound')
    leave_lead(id, r)
    return nil
  end
  local verdict, name = afford(caps, tonumber(r.bn))
  if verdict == 'yes' then return caps end
  dequeue(id, r)
  if verdict == 'reject' then
    end_job(id, r, 'failed', nil, 'budget: ' .. name .. ' leaves no room for a call of up to ' .. usd(r.bn))
    leave_lead(id, r)
  else
    for _, cap in ipairs(caps) do charge(cap[1], 0, 0, 0, cap[2]) end
    set_aside(id, r, 'budget:' .. name)
    -- Others' reservations pass soon; a period does not, and who follows it may stand under another budget.
    if verdict == 'defer' then leave_lead(id, r) end
  end
  return nil
end

local function admit(id, r, plan, target)
  r.xt = exempt_tokens(r, plan)
  local cost = need_of(r, r.xt)
  local ms, what = quota_wait(r, plan, target, cost)
  if not ms then
    fail_too_large(id, r, plan, what)
    return 'gone'
  end
  if ms > 0 then return 'stop', ms, what end
  local caps = budgets_for(id, r)
  if not caps then return 'gone' end
  return 'yes', cost, caps
end
