--! flags allow-oom
--! use clock, record, backlog, limiter, breaker, budget, target, holds, money
-- Which limit, budget, breaker, pause, leader or deadline holds a job, and for how long: what take asks, asked of one job.
-- Writes nothing.
--
-- KEYS[1] anchor
-- ARGV: job
-- Returns {state, holds} or {} for an unknown job; a hold is {kind, name, wait_ms (-1: not known), detail}, the first one
-- being what holds it now. No hold at all: it may run as soon as a worker asks.
local id = ARGV[1]
local r = load_record(id)
if not r then return {} end
local holds = {}

local function hold(kind, name, wait, detail) holds[#holds + 1] = {kind, name, int(wait or -1), detail or ''} end

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
    hold(string.sub(why, 1, 7) == 'breaker' and 'breaker' or 'limit', plan.account, wait, in_words(plan, why))
  end
  local ms, what = headroom(scope(plan.quota), need_of(r, exempt_tokens(r, plan)))
  if not ms then
    hold('limit', plan.quota, nil, 'too large for ' .. what)
  elseif ms > 0 and not (wait > 0 and plan.quota == plan.account) then
    hold('limit', plan.quota, ms, in_words(plan, what))
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
  if ahead and ahead > 0 then hold('backlog', r.q, nil, int(ahead) .. ' jobs of its group stand before it') end
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
