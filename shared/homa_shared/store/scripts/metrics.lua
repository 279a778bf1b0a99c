--! flags allow-oom
--! use clock, record, limiter, breaker, budget, target
-- What monitoring asks of queues, counters, the cache and budgets that count for everybody; writes nothing.
--
-- KEYS[1] anchor
-- ARGV: none
-- Returns JSON: {now, counters, cache, cache_entries, vectors, unresolved, queues, demands, budgets}, hashes as flat lists. A
-- queue is {name, flat counters, {lane, its oldest job's time of submission} per lane in which jobs wait}. A demand is a
-- model that jobs wait for: {queue, lane, provider, model's target, wait_ms, what is short, seconds that the limits of its
-- scope allow a call to take from a quota, scope}. A budget is {name, cap, spent, unresolved, reserved}.
-- Cost: O(queues), and of what waits the heads of at most HEADS backlogs: independent of how many jobs there are.

local QUEUES, TARGETS, TENANTS, HEADS = 100, 50, 20, 500
local heads, seen = 0, {}
local told = {now = now, queues = {}, demands = {}, budgets = {}}

-- Tokens that an answer of a target has on average; nil while too little is known.
local function written(target)
  local v = redis.call('HMGET', K.written(target), 'tokens', 'answers')
  local answers = tonumber(v[2] or 0)
  return answers >= C.LEAST_ANSWERS and tonumber(v[1]) / answers or nil
end

-- Seconds of a quota's whole rate that one call takes, of the dimension that allows the fewest calls; nil where none limits
-- it. Where providers go by what was really written, an answer counts as it is on average and not up to its cap.
local function seconds_a_call(r, plan)
  local s, cost, answer = scope(plan.quota), need_of(r), written(plan.real)
  if answer and cost.t then cost.t = math.min(cost.t, (r.ri or 0) + answer) end
  if answer and cost.o then cost.o = math.min(cost.o, answer) end
  local longest
  for _, dimension in ipairs(DIMENSIONS) do
    local limit, amount = limit_of(s, dimension), cost[dimension.letter]
    if limit and amount and amount > 0 then
      longest = math.max(longest or 0, amount * dimension.period_us / (limit * pace(s) * 1000000))
    end
  end
  return longest
end

local function demand(queue, lane, target, provider, r)
  local plan = plan_of(queue, target, provider)
  local name = lane .. '\n' .. queue .. '\n' .. plan.real
  if seen[name] then return end
  seen[name] = true
  local wait, why = blocked(plan)
  if wait == 0 then
    local ms, what = headroom(scope(plan.quota), need_of(r, exempt_tokens(r, plan)))
    wait, why = ms or 0, what
  end
  if wait > 0 then why = string.match(why or '', '^%a+') else why = '' end
  told.demands[#told.demands + 1] = {queue, lane, provider, plan.real, int(wait), why, seconds_a_call(r, plan) or cjson.null, plan.quota}
end

-- The oldest job of a target's backlogs, by their heads, and what the first of them asks for.
local function look_at(queue, lane, target)
  local oldest, first
  for _, tenant in ipairs(redis.call('ZRANGE', K.group(queue, lane, target), 0, TENANTS - 1)) do
    if heads >= HEADS then break end
    heads = heads + 1
    local id = redis.call('ZRANGE', K.backlog(queue, lane, target, tenant), 0, 0)[1]
    local r = id and load_record(id)
    if r then
      first = first or r
      if r.sb and (not oldest or r.sb < oldest) then oldest = r.sb end
    end
  end
  if first and target ~= C.ACTOR_TARGET then
    for _, provider in ipairs(members_of(target) or {queue}) do demand(queue, lane, target, provider, first) end
  end
  return oldest
end

local function add_queue(queue)
  local lanes = {}
  for _, lane in ipairs(C.LANES) do
    local oldest
    for _, target in ipairs(redis.call('ZRANGE', K.lane(queue, lane), 0, TARGETS - 1)) do
      local found = look_at(queue, lane, target)
      if found and (not oldest or found < oldest) then oldest = found end
    end
    if oldest then lanes[#lanes + 1] = {lane, oldest} end
  end
  told.queues[#told.queues + 1] = {queue, redis.call('HGETALL', K.queue(queue)), lanes}
end

local names = redis.call('SMEMBERS', K.queues())
table.sort(names)
for i = 1, math.min(#names, QUEUES) do add_queue(names[i]) end
for _, rule in ipairs(rules()) do
  if rule.scope == 'all' then
    local b = instance(rule.name .. period_suffix(rule.period))
    told.budgets[#told.budgets + 1] = {rule.name, int(rule.cap), int(b.spent), int(b.unres), int(b.reserved)}
  end
end
told.counters, told.cache = redis.call('HGETALL', K.counters()), redis.call('HGETALL', K.cache_stats())
told.cache_entries, told.vectors = redis.call('ZCARD', K.cache_index()), redis.call('ZCARD', K.vector_index())
told.unresolved = redis.call('ZCARD', K.unresolved())
return cjson.encode(told)
