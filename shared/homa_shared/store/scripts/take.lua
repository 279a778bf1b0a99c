--! flags allow-oom
--! use clock, record, backlog, ending, limiter, breaker, budget, follow, target, rebirth
-- The one door: chooses jobs, reserves their quota and budget, journals their attempts, leases them, returns them.
-- What it hands out may be called at once.
--
-- KEYS[1] anchor
-- ARGV: worker, nonce, slots, lease_ms, provider, suspects that the worker runs, queue…
-- Returns {jobs, wait_ms, diverts}: a job is {request, JSON of id, target and the fields of FIELDS.taken};
-- wait_ms says how long until something may run (-1: nothing waits); a divert is {reason, job}: a job whose target is out
-- of reach for longer than the job bears; it stays queued until `divert` moves it to its next target.
-- The same nonce (`process-number`, numbers ascend) gets the same jobs again.
-- Cost: O(slots · log N), independent of how much waits.
local worker, nonce, slots, lease_ms, provider, suspects =
  ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local LANES = {'high', 'default', 'bulk'}
-- Most jobs put out of the way, offered for diversion, and looked at for that, in one call.
local SKIPS, DIVERTS, LOOKS = 100, 50, 200
local LOOKS_AT_ONCE = 16
local jobs, diverts = {}, {}
local soonest = nil
local skips, looks = 0, 0

local function sooner(ms) if not soonest or ms < soonest then soonest = ms end end

-- One text for all fields: thirty replies a job cost a client in Python more than all else that it does with the store.
local function entry(id, r, last)
  -- Spans instead of times, so that no clock but the store's matters.
  r.left, r.waited = r.dl and math.max(1, r.dl - now), now - r.sb
  local fields = {id, last}
  for i, field in ipairs(FIELDS.taken) do
    local value = r[field]
    fields[i + 2] = type(value) == 'number' and int(value) or value or ''
  end
  return {redis.call('GET', K.request(id)) or '', cjson.encode(fields)}
end

local function hand_out(id, r) jobs[#jobs + 1] = entry(id, r, r.tt or r.tg) end

-- The same question gets the same answer: a reply that was lost on its way strands nothing.
local past = redis.call('HMGET', K.worker(worker), 'nonce', 'took')
if past[1] == nonce then
  for id, attempt in string.gmatch(past[2] or '', '(%S+):(%d+)') do
    local r = load_record(id)
    if r and r.st == 'running' and r.at == tonumber(attempt) and r.wk == worker then hand_out(id, r) end
  end
  return {jobs, 0, {}}
end
-- One that a later question of its process overtook on its way has had its answer: what it took now nobody would hear of.
local process, number = string.match(nonce, '^(%x+)%-(%d+)$')
local last_process, last_number = string.match(past[1] or '', '^(%x+)%-(%d+)$')
if process and process == last_process and tonumber(number) < tonumber(last_number) then return {jobs, 0, {}} end

-- After a rebirth nothing is handed out until workers have told what they call.
local held = held_by_rebirth(lease_ms)
if held > 0 then return {{}, held, {}} end

-- Due jobs join their groups before the choice, so that a delay ends on time while workers live.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', K.due(), '-inf', now, 'LIMIT', 0, 100)) do
  local r = load_record(id)
  redis.call('ZREM', K.due(), id)
  if r and r.st == 'due' then
    count(r.q, r.ln, 'due', -1)
    redis.call('HDEL', K.job(id), 'due')
    make_ready(id, r)
    ring(r.q, 1)
  end
end
local next_due = redis.call('ZRANGE', K.due(), 0, 0, 'WITHSCORES')
if next_due[2] then sooner(math.max(1, tonumber(next_due[2]) - now)) end

-- The cancel of a batch is one flag that its lines meet here; a paused batch's lines step aside.
local batches = {}
local function batch_flags(id)
  local flags = batches[id]
  if not flags then
    flags = redis.call('HMGET', K.batch(id), 'cancel', 'paused')
    batches[id] = flags
  end
  return flags
end

-- Whom it leads is looked through for an heir, which costs as much as ten others.
local function leave_lead(id, r)
  after_failure(id, r)
  if r.ck then skips = skips + 9 end
end

-- Ends or sets aside what must not run; true when the job is out of the backlog.
local function turned_away(id, r)
  local flags = r.ba and batch_flags(r.ba) or {}
  if r.cx or flags[1] then
    dequeue(id, r)
    end_job(id, r, 'cancelled', nil, 'cancelled before it ran')
    leave_lead(id, r)
    return true
  end
  if r.dl and r.dl <= now then
    dequeue(id, r)
    end_job(id, r, 'expired', nil, 'its deadline passed while it waited')
    leave_lead(id, r)
    return true
  end
  if flags[2] then
    dequeue(id, r)
    set_aside(id, r, 'batch:' .. r.ba)
    -- Nobody who follows it waits for its batch.
    leave_lead(id, r)
    return true
  end
  return false
end

-- Ends a job by the reply of an equal one that is kept, or sets it aside behind an equal one in flight; else it leads.
local function served_by_another(id, r)
  local source = redis.call('GET', K.cached(r.ck))
  if source and redis.call('EXISTS', K.reply(source)) == 1 then
    dequeue(id, r)
    redis.call('ZADD', K.cache_index(), 'XX', now, r.ck)
    redis.call('HINCRBY', K.cache_stats(), 'hits', 1)
    end_by_reply(id, r, source)
    return true
  end
  local leader = redis.call('GET', K.leader(r.ck))
  if leader == id then return false end
  if leader then
    local l = redis.call('HMGET', K.job(leader), 'st', 'ln')
    -- A leader that waits in a lower lane gives way: equal jobs are served as early as the most urgent of them.
    if l[1] and not ENDED[l[1]] and (l[1] == 'running' or RANK[r.ln] >= RANK[l[2]]) then
      dequeue(id, r)
      redis.call('HINCRBY', K.cache_stats(), 'followers', 1)
      set_aside(id, r, 'follow:' .. r.ck)
      return true
    end
  end
  redis.call('SET', K.leader(r.ck), id)
  redis.call('HINCRBY', K.cache_stats(), 'misses', 1)
  return false
end

local function bears(r)
  return r.sl or (r.ln == 'bulk' and 600000 or 30000)
end

-- Heads of backlogs as they were fetched: {ids, at, more}.
local heads = {}

-- Offers one job for diversion, if it has somewhere to go and the wait is more than it bears.
local function offer(id, wait, why, backlog)
  looks = looks + 1
  local r = load_record(id)
  if not r or r.st ~= 'queued' then return end
  if turned_away(id, r) then
    heads[backlog] = nil
    skips = skips + 1
  elseif r.fb and r.fb > 0 and (string.sub(why or '', 1, 7) == 'breaker' or wait > bears(r)) then
    diverts[#diverts + 1] = {why, entry(id, r, r.tg)}
  end
end

local offered = {}

-- Offers jobs of a blocked group to their next targets: those at its head and, where none of these may go, some at a place
-- that moves with the clock, so that jobs without a fallback do not hide others. Each group is asked once a call, and what
-- is looked at here is counted by itself: a blocked target's backlog costs the others nothing.
local function offer_diverts(queue, lane, target, wait, why)
  local group = K.group(queue, lane, target)
  if offered[group] then return end
  offered[group] = true
  -- What one member of a pool cannot do now, another may: a job leaves a pool only where it would leave each of them.
  local members = members_of(target)
  if members then
    wait, why = pool_blocked(target, members)
    if wait == 0 then return end
  end
  for _, tenant in ipairs(redis.call('ZRANGE', group, 0, 7)) do
    local backlog = K.backlog(queue, lane, target, tenant)
    local before, card = #diverts, redis.call('ZCARD', backlog)
    for _, start in ipairs({0, now_us % math.max(1, card)}) do
      if start == 0 or #diverts == before then
        for _, id in ipairs(redis.call('ZRANGE', backlog, start, start + LOOKS_AT_ONCE - 1)) do
          if #diverts >= DIVERTS or looks >= LOOKS then return end
          offer(id, wait, why, backlog)
        end
      end
      if card <= LOOKS_AT_ONCE then break end
    end
  end
end

local function budget_allows(id, r)
  local caps = caps_of(id, r)
  if #caps == 0 then return true, caps end
  if not r.bn then
    dequeue(id, r)
    end_job(id, r, 'failed', nil, 'unpriced: a budget applies, and the price of ' .. r.tg .. ' is not known')
    leave_lead(id, r)
    return false
  end
  local verdict, name = afford(caps, tonumber(r.bn))
  if verdict == 'yes' then return true, caps end
  dequeue(id, r)
  if verdict == 'reject' then
    end_job(id, r, 'failed', nil, 'budget: ' .. name .. ' leaves no room for a call of up to ' .. r.bn .. ' nano-dollars')
    leave_lead(id, r)
  else
    for _, cap in ipairs(caps) do charge(cap[1], 0, 0, 0, cap[2]) end
    set_aside(id, r, 'budget:' .. name)
    -- Others' reservations pass soon; a period does not, and who follows it may stand under another budget.
    if verdict == 'defer' then leave_lead(id, r) end
  end
  return false
end

-- Heads of a backlog, fetched a block at a time; `more` says whether there may be others behind the block.
local BLOCK = 16

local function head_of(backlog)
  local h = heads[backlog]
  if not h or (h.at > #h.ids and h.more) then
    local ids = redis.call('ZRANGE', backlog, 0, math.min(BLOCK, slots) - 1)
    h = {ids = ids, at = 1, more = #ids == math.min(BLOCK, slots)}
    heads[backlog] = h
  end
  return h
end

local took, moved = {}, {}

-- The same as dequeue, for a job at the head of its block: queue counts are written once at the end, and whether the
-- backlog is empty is asked only where the block cannot tell.
local function draw(id, r, backlog)
  redis.call('ZREM', backlog, id)
  local h = heads[backlog]
  h.at = h.at + 1
  moved[r.q] = moved[r.q] or {}
  moved[r.q][r.ln] = (moved[r.q][r.ln] or 0) + 1
  if h.at <= #h.ids then return false end
  -- Even a block that was the last may leave something behind: suspects passed over, followers that came back meanwhile.
  h.more = redis.call('EXISTS', backlog) == 1
  if h.more then return false end
  redis.call('ZREM', K.group(r.q, r.ln, r.tg), r.tn)
  if redis.call('EXISTS', K.group(r.q, r.ln, r.tg)) == 0 then redis.call('ZREM', K.lane(r.q, r.ln), r.tg) end
  return true
end

-- Leases a job; true when its backlog is empty now.
local function lease(id, r, plan, caps, cost, backlog)
  local emptied = draw(id, r, backlog)
  r.at, r.tr, r.st, r.wk, r.as = r.at + 1, r.tr + 1, 'running', worker, now
  redis.call('ZADD', K.leases(), now + lease_ms, id .. ':' .. int(r.at))
  local fields = {'st', 'running', 'at', r.at, 'tr', r.tr, 'wk', worker, 'as', now}
  if r.kd ~= 'm' then
    local account, quota = scope(plan.account), scope(plan.quota)
    reserve(quota, cost)
    if plan.account ~= plan.quota then set(account, 'busy', (account.busy or 0) + 1) end
    breaker_pass(breaker(plan.account))
    breaker_pass(breaker(plan.real))
    fields[#fields + 1], fields[#fields + 2] = 'ps', plan.account
    fields[#fields + 1], fields[#fields + 2] = 'qs', plan.quota
    if r.xt then fields[#fields + 1], fields[#fields + 2] = 'xt', r.xt end
    if plan.real ~= r.tg then
      fields[#fields + 1], fields[#fields + 2] = 'tt', plan.real
      r.tt = plan.real
    end
    local names = {}
    for _, cap in ipairs(caps) do
      charge(cap[1], 0, 0, tonumber(r.bn), cap[2])
      names[#names + 1] = cap[1]
    end
    if #names > 0 then fields[#fields + 1], fields[#fields + 2] = 'bi', table.concat(names, '\n') end
  end
  redis.call('HSET', K.job(id), unpack(fields))
  if (r.px or 0) > 1 then suspects = suspects + 1 end
  took[#took + 1] = id .. ':' .. int(r.at)
  hand_out(id, r)
  return emptied
end

local weights = nil
local function weight(tenant)
  weights = weights or cjson.decode(redis.call('HGET', K.config(), 'weights') or '{}')
  return weights[tenant] or 1
end

-- The next job of a tenant that this worker may run: the head, unless it is a suspect and a suspect runs here already. Where
-- suspects fill the head, as they do after a fleet was killed twice, one from a place that moves with the clock.
local function candidate(backlog)
  local h = head_of(backlog)
  while true do
    local id = h.ids[h.at]
    if not id and h.accused and not h.elsewhere then
      local start = now_us % math.max(1, redis.call('ZCARD', backlog))
      h = {ids = redis.call('ZRANGE', backlog, start, start + math.min(BLOCK, slots) - 1), at = 1, more = true, elsewhere = true}
      heads[backlog], id = h, h.ids[1]
    end
    if not id then return nil end
    local r = load_record(id)
    if not r or r.st ~= 'queued' then
      redis.call('ZREM', backlog, id)
    elseif not (suspects > 0 and (r.px or 0) > 1) then
      return id, r
    else
      h.accused = true
    end
    h.at = h.at + 1
  end
end

-- Whether a job that is larger than this member's limit is small enough for another member of its pool.
local function fits_elsewhere(target, cost)
  for _, member in ipairs(members_of(target) or {}) do
    local limits = scope(plan_of(target, target, member).quota)
    local fits = true
    for _, dimension in ipairs(DIMENSIONS) do
      local limit, amount = per_minute(limits, dimension), cost[dimension.letter]
      if dimension.record and limit and amount and amount > limit then fits = false end
    end
    if fits then return true end
  end
  return false
end

-- Gives one job of a tenant, or says why not: given, skipped (this one is out of the way), none (of this tenant), stop.
local function give(queue, lane, target, tenant, plan, several)
  local backlog = K.backlog(queue, lane, target, tenant)
  local id, r = candidate(backlog)
  if not id then return 'none' end
  if turned_away(id, r) or (r.ck and r.ck ~= '' and served_by_another(id, r)) then
    heads[backlog] = nil
    return 'skipped'
  end
  local cost, caps = {}, {}
  if r.kd ~= 'm' then
    r.xt = exempt_tokens(r, plan)
    cost = need_of(r, r.xt)
    local ms, what = headroom(scope(plan.quota), cost)
    if not ms and fits_elsewhere(target, cost) then return 'stop', 1000, what end
    if not ms then
      dequeue(id, r)
      end_job(id, r, 'failed', nil, 'too large: it needs more ' .. what .. ' than the limit of ' .. plan.quota .. ' allows in a minute')
      after_failure(id, r)
      heads[backlog] = nil
      return 'skipped'
    end
    if ms > 0 then
      if what == 'rpm' then grow(scope(plan.quota)) end
      return 'stop', ms, what
    end
    local ok
    ok, caps = budget_allows(id, r)
    if not ok then
      heads[backlog] = nil
      return 'skipped'
    end
  end
  local emptied = lease(id, r, plan, caps, cost, backlog)
  if several and not emptied then redis.call('ZINCRBY', K.group(queue, lane, target), 1 / weight(tenant), tenant) end
  return 'given'
end

-- Serves one target until `room` jobs are out or something stands in the way; returns how many it gave.
local function serve(queue, lane, target, room)
  local group, plan = K.group(queue, lane, target), plan_of(queue, target, provider)
  -- Whoever is no member of a pool, or not yet by what stands here, would not know what to call.
  if not plan.known and members_of(target) then return 0 end
  local several = redis.call('ZCARD', group) > 1
  local given, passed_over = 0, 0
  while given < room and skips < SKIPS do
    local wait, why = 0, nil
    if target ~= 'actor' then wait, why = blocked(plan) end
    if wait > 0 then
      sooner(wait)
      offer_diverts(queue, lane, target, wait, why)
      break
    end
    local tenant = redis.call('ZRANGE', group, passed_over, passed_over)[1]
    if not tenant then break end
    local verdict, ms, what = give(queue, lane, target, tenant, plan, several)
    if verdict == 'given' then
      given = given + 1
    elseif verdict == 'skipped' then
      skips = skips + 1
    elseif verdict == 'stop' then
      sooner(ms)
      offer_diverts(queue, lane, target, ms, what)
      break
    elseif redis.call('EXISTS', K.backlog(queue, lane, target, tenant)) == 0 then
      redis.call('ZREM', group, tenant)
      if redis.call('EXISTS', group) == 0 then redis.call('ZREM', K.lane(queue, lane), target) end
    else
      -- Suspects wait here, and one runs in this process already.
      passed_over = passed_over + 1
      sooner(1000)
    end
  end
  return given
end

local function serve_lane(lane)
  local progress = true
  while progress and #jobs < slots and skips < SKIPS do
    progress = false
    local open = {}
    for q = 7, #ARGV do
      local queue = ARGV[q]
      if redis.call('HEXISTS', K.queue(queue), 'paused') == 0 then
        for _, target in ipairs(redis.call('ZRANGE', K.lane(queue, lane), 0, 63)) do
          -- A worker without a provider runs actors only.
          if provider ~= '' or target == 'actor' then open[#open + 1] = {queue, target} end
        end
      end
    end
    for i, pair in ipairs(open) do
      local share = math.ceil((slots - #jobs) / (#open - i + 1))
      if share > 0 then
        local given = serve(pair[1], lane, pair[2], share)
        -- Targets take turns; a blocked one too, so that no number of them hides another.
        if given > 0 or #open >= 64 then redis.call('ZADD', K.lane(pair[1], lane), 'XX', now_us, pair[2]) end
        if given >= share then progress = true end
      end
    end
  end
end

for _, lane in ipairs(LANES) do
  if #jobs < slots then serve_lane(lane) end
end
save_scopes()
for queue, lanes in pairs(moved) do
  for lane, n in pairs(lanes) do
    count(queue, lane, 'queued', -n)
    count(queue, lane, 'running', n)
  end
end
redis.call('HSET', K.worker(worker), 'nonce', nonce, 'took', table.concat(took, ' '))
if skips >= SKIPS then sooner(1) end
return {jobs, soonest or -1, diverts}
