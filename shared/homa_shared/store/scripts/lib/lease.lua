--! use record, limiter, breaker, take_call, grants, past_holds
-- Reserving and leasing: from here on the job runs, and what it was given may be called at once.
-- Gives: reserve_call(r, plan, cost, caps), the record's fields of a call; lease(id, r, backlog, fields); tell_taken().
local took = {}

-- Takes a call's quota, slots and bounds, and lets it pass the breakers.
local function reserve_call(r, plan, cost, caps)
  local account, quota = scope(plan.account), scope(plan.quota)
  reserve(quota, cost)
  if plan.account ~= plan.quota then set(account, 'busy', (account.busy or 0) + 1) end
  breaker_pass(breaker(plan.account))
  breaker_pass(breaker(plan.real))
  local fields = {'ps', plan.account, 'qs', plan.quota}
  if r.xt then fields[5], fields[6] = 'xt', r.xt end
  local waits = Waits.over(r, plan)
  if waits then fields[#fields + 1], fields[#fields + 2] = 'hb', waits end
  if plan.real ~= r.tg then
    fields[#fields + 1], fields[#fields + 2] = 'tt', plan.real
    r.tt = plan.real
  end
  local names = {}
  for _, cap in ipairs(caps) do
    hold(cap, tonumber(r.bn))
    names[#names + 1] = cap[1]
  end
  if #names > 0 then fields[#fields + 1], fields[#fields + 2] = 'bi', table.concat(names, '\n') end
  return fields
end

-- Makes a job the worker's, and hands it out.
local function lease(id, r, backlog, fields)
  r.at, r.tr, r.st, r.wk, r.as = r.at + 1, r.tr + 1, 'running', asked.worker, now
  grant(id, r, backlog, fields)
  if (r.px or 0) >= C.SUSPECT_LEASES then asked.suspects = asked.suspects + 1 end
  took[#took + 1] = id .. ':' .. int(r.at)
  hand_out(id, r)
end

-- Notes what this question took, should it be asked again.
local function tell_taken()
  redis.call('HSET', K.worker(asked.worker), 'nonce', asked.nonce, 'took', table.concat(took, ' '))
end
