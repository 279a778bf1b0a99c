--! flags allow-oom
--! use clock, record, backlog, limiter, breaker, budget, target, holds, money
-- Which limit, budget, breaker, pause, leader or deadline holds a job, and for how long: what take asks, asked of one job.
-- Writes nothing.
--
-- KEYS[1] anchor
-- ARGV: job
-- Returns {state, holds} or {} for an unknown job; a hold is {kind, name, wait_ms (-1: not known), detail, limit}, the first one
-- being what holds it now. The limit is rpm, tpm, …, rpd, concurrency or frozen, where one is what there is to wait for. No hold
-- at all: it may run as soon as a worker asks.
local id = ARGV[1]
local r = load_record(id)
if not r then return {} end
local holds = {}

local function hold(kind, name, wait, detail, limit)
  holds[#holds + 1] = {kind, name, int(wait or -1), detail or '', limit or ''}
end

-- What a dimension allows, and who says so where the settings do not.
local function allowance(s, dimension)
  local limit, period = limit_of(s, dimension), dimension.period_us / 1000000
  local told = told_limit(s, dimension) == limit and limit ~= s[dimension.limit]
  local source = told and ', as the provider says' or not s[dimension.limit] and ', as far as its refusals showed' or ''
  if source ~= '' then source = source .. ',' end
  return int(limit) .. (period == 60 and ' a minute' or ' in ' .. int(period) .. ' s') .. source
end

-- A limit with its amount, where `headroom` told that it stands in the way.
local function limit_words(plan, s, what, cost)
  if what == 'concurrency' then return what .. ': ' .. int(s.busy) .. ' of ' .. int(s.conc) .. ' calls at once are under way' end
  if what == 'rpd' then return what .. ': all of ' .. int(s.rpd) .. ' requests of the day are made' end
  for _, dimension in ipairs(DIMENSIONS) do
    if dimension.limit == what then
      if not dimension.record then return what .. ': all of ' .. allowance(s, dimension) .. ' is taken' end
      return what .. ': this call takes ' .. int(cost[dimension.letter]) .. ' of ' .. allowance(s, dimension) .. ', and less is free'
    end
  end
  return in_words(plan, what)
end

-- How long jobs like this one take at the limit that paces them, ms, and which that is; nil where none does.
local function paced(s, cost, jobs)
  local slowest, by = 0, nil
  for _, dimension in ipairs(DIMENSIONS) do
    local limit, amount = limit_of(s, dimension), cost[dimension.letter]
    local ms = limit and amount and jobs * amount * dimension.period_us / limit / 1000 or 0
    if ms > slowest then slowest, by = ms, dimension end
  end
  return slowest, by
end

local function batch_holds()
  if not r.ba then return end
  local flags = redis.call('HMGET', K.batch(r.ba), 'cancel', 'paused', 'paused_why', 'cancel_why')
  if flags[1] then hold('cancel', r.ba, 0, 'its batch was cancelled' .. (flags[4] and ': ' .. flags[4] or '')) end
  if flags[2] then hold('pause', r.ba, nil, 'its batch is paused' .. ((flags[3] or '') ~= '' and ': ' .. flags[3] or '')) end
end

local function budget_holds()
  local caps = caps_of(id, r)
  if #caps == 0 then return end
  if not r.bn then return hold('budget', caps[1][1], nil, 'unpriced: it will be refused') end
  for _, cap in ipairs(caps) do
    local verdict, name = afford({cap}, tonumber(r.bn))
    if verdict ~= 'yes' then
      local ends = verdict == 'defer' and period_end(cap[4], now)
      local b = instance(name)
      hold('budget', name, ends and ends - now or nil, verdict .. ': spent ' .. usd(b.spent) .. ', unresolved ' .. usd(b.unres)
        .. ', reserved ' .. usd(b.reserved) .. ', its bound ' .. usd(r.bn) .. ', cap ' .. usd(cap[2]))
    end
  end
end

local function plan_holds(plan)
  local wait, why = blocked(plan)
  if wait > 0 then
    if string.sub(why, 1, 7) == 'breaker' then
      hold('breaker', plan.account, wait, in_words(plan, why))
    else
      hold('limit', plan.account, wait, limit_words(plan, scope(plan.account), why, NO_COST), why)
    end
  end
  local cost = need_of(r, exempt_tokens(r, plan))
  local ms, what = headroom(scope(plan.quota), cost)
  if not ms then
    hold('limit', plan.quota, nil, 'too large for ' .. what, what)
  elseif ms > 0 and not (wait > 0 and plan.quota == plan.account) then
    hold('limit', plan.quota, ms, limit_words(plan, scope(plan.quota), what, cost), what)
  end
end

-- A pool is held only where every member is; what holds the one that comes first is told.
local function target_holds()
  local members = members_of(r.tg)
  if not members then return plan_holds(plan_of(r.q, r.tg, r.q)) end
  local before, best = holds, nil
  for _, member in ipairs(members) do
    holds = {}
    plan_holds(plan_of(r.q, r.tg, member))
    if not best or (holds[1] and tonumber(holds[1][3]) or 0) < (best[1] and tonumber(best[1][3]) or 0) then best = holds end
  end
  holds = before
  for _, h in ipairs(best or {}) do holds[#holds + 1] = h end
end

local function queued_holds()
  if redis.call('HEXISTS', K.queue(r.q), 'paused') == 1 then hold('pause', r.q, nil, 'its queue is paused') end
  batch_holds()
  if r.kd == 'm' then return end
  target_holds()
  budget_holds()
  local ahead = redis.call('ZRANK', K.backlog(r.q, r.ln, r.tg, r.tn), id)
  if not ahead or ahead == 0 then return end
  local words, ms, by = int(ahead) .. ' jobs of its group stand before it', nil, nil
  if not members_of(r.tg) then
    local plan = plan_of(r.q, r.tg, r.q)
    local s = scope(plan.quota)
    ms, by = paced(s, need_of(r, exempt_tokens(r, plan)), ahead)
    if by then words = words .. ', for which ' .. by.limit .. ' of ' .. plan.quota .. ' has ' .. allowance(s, by) end
  end
  hold('backlog', r.q, by and ms, words, by and by.limit)
end

if r.st == 'running' then
  local gone, silent = is_gone(r.wk or '')
  local left = tonumber(redis.call('ZSCORE', K.leases(), id .. ':' .. int(r.at)) or now) - now
  local doing = 'attempt ' .. int(r.at) .. ' at ' .. (r.tt or r.tg)
  if gone then
    doing = doing .. '; its worker is gone' .. (silent and ', silent for ' .. int(silent / 1000) .. ' s' or '')
      .. ': the job is taken up again once its lease has run out and a worker lives'
  end
  hold('running', r.wk or '', gone and math.max(0, left) or nil, doing)
elseif r.st == 'due' then
  hold('due', r.q, math.max(0, (r.due or now) - now), 'it is to be ready later')
elseif r.st == 'waiting' then
  local kind, name = string.match(r.why or '', '^(%a+):(.*)$')
  if kind == 'batch' then
    batch_holds()
  elseif kind == 'budget' then
    budget_holds()
    if #holds == 0 then hold('budget', name, C.SWEEP_EACH_MS, 'there is room again; housekeeping will release it') end
  elseif kind == 'token' then
    local left = tonumber(redis.call('ZSCORE', K.waiting(r.why), id) or now) - now
    hold('answer', name, math.max(0, left), 'it waits to be answered: see `homa flow show ' .. name .. '`; its token expires then')
  elseif kind == 'follow' then
    hold('leader', redis.call('GET', K.leader(name)) or '', nil, 'an equal job is in flight')
  end
elseif r.st == 'queued' then
  queued_holds()
end
if r.dl and r.st ~= 'running' and r.en == nil then hold('deadline', '', r.dl - now, 'it expires then') end
return {r.st, holds}
