--! use clock, record, backlog, limiter, congestion, breaker, budget, ledger, ending
-- The end of an attempt, whatever becomes of its job: lease, slots, quota, budget, ledger and history in one place.
--
-- `report` is what the worker (or recovery) says of it:
--   outcome   succeeded, or the kind of failure, or released / lost, or cached, answered (by a
--             middleware): a good reply without a call
--   charge    none | actual | unresolved
--   nano      actual cost ('' or nil: unpriced)
--   floor     least cost of an unresolved attempt (what a stream had delivered)
--   bound     most that it can have cost, where less was asked than reserved
--   input, output, cached, written   tokens; the last two: read from the provider's prompt cache, written to it
--   terms     what it was served on where that is not the standard price, and fees: units billed beside tokens -> number
--   saved     what the provider's prompt cache spared, nano-dollars (negative: what writing to it cost more)
--   used      actual quota by dimension {r, t, i, o}, or nil to keep what was reserved
--   health    good | bad | account | model | resource (the model, or the account where several are) | '' : what breakers learn
--   cool_ms   how long a breaker opens for `account`, `model` and `resource`
--   freeze_ms  >= -1: the quota scope freezes (-1: the provider named no time); nil: it does not
--   limits    {requests, tokens} per minute from headers, or nil
--   partial   true: a good reply that breaks off, which is kept for no equal job
--   by        provider that was called, where the record may have forgotten which member of a pool it was
--   worker    who made the attempt, and target: what it called, which a store that came back older may have forgotten
--   note      JSON for people: error, status, request id, times

local function attempt_line(id, r, attempt, report)
  local bound = tonumber(r.bn or nil) or 0
  -- Under a budget a reply whose price is not known stands at its bound: nobody knows that it left more room than that.
  if r.bi and r.bn and report.charge == 'actual' and not tonumber(report.nano or nil) then report.charge = 'unresolved' end
  return {
    job = id, attempt = attempt, target = report.target or r.tt or r.tg, tenant = r.tn, batch = r.ba, tags = r.tags, outcome = report.outcome,
    requests = (report.outcome == 'cached' or report.outcome == 'answered' or (r.sw and report.charge ~= 'actual')) and 0 or 1,
    input = report.input, output = report.output, cached = report.cached,
    nano = report.charge == 'actual' and tonumber(report.nano or nil) or 0,
    saved = report.charge == 'actual' and report.saved or 0, terms = report.terms, fees = report.fees,
    unres = report.charge == 'unresolved' and math.max(math.min(bound, tonumber(report.bound or nil) or bound), report.floor or 0) or 0,
    unpriced = ((report.charge == 'actual' and not tonumber(report.nano or nil))
      or (report.charge == 'unresolved' and not tonumber(r.bn or nil))) and 1 or 0,
  }
end

-- Tokens that the totals count for an attempt whose cost is open: its late reply replaces them. nil where they are none.
local function counted_tokens(line)
  if (line.input or 0) == 0 and (line.output or 0) == 0 and (line.cached or 0) == 0 then return nil end
  return {input = line.input, output = line.output, cached = line.cached}
end

-- Units that a late reply adds to those that count already; negative where it tells of fewer.
local function further_fees(before, fees)
  local more = {}
  for unit, number in pairs(before or {}) do more[unit] = -number end
  for unit, number in pairs(fees or {}) do more[unit] = (more[unit] or 0) + number end
  return more
end

-- What the provider said of a failure, behind a colon; nothing where it said nothing.
local function words_of(report)
  local known, note = pcall(cjson.decode, report.note or '')
  return known and type(note) == 'table' and type(note.error) == 'string' and ': ' .. beginning(note.error, 200) or ''
end

-- Who was refused and what the provider asked for, for people.
local function refusal_of(id, r, report)
  local asked = report.freeze_ms < 0 and 'which named no time to wait' or ('which asked for ' .. int(report.freeze_ms / 1000) .. ' s')
  return {job = id, began = r.sa or r.as or 0, detail = (r.tt or r.tg) .. ' refused ' .. id .. ', ' .. asked .. words_of(report)}
end

-- A refusal that may mean the model or the account: the model's breaker opens first, and the account's once another model
-- is refused in the same way before that has passed.
local function refuse_resource(r, report)
  local target, cool = r.tt or r.tg, report.cool_ms or FIRST_OPEN_MS
  local last = redis.call('HMGET', K.breaker(r.ps), 'resource', 'resource_at')
  breaker_open(breaker(target), cool, report.outcome, words_of(report))
  if last[1] and last[1] ~= target and now - tonumber(last[2]) < cool then
    breaker_open(breaker(r.ps), cool, report.outcome, words_of(report))
  end
  redis.call('HSET', K.breaker(r.ps), 'resource', target, 'resource_at', now)
end

-- What a good reply says of account, target and quota; true where one that was out of reach is open again.
local function learn_good(r)
  local quota = scope(r.qs)
  set(quota, 'acc', (quota.acc or 0) + 1)
  local account, target = breaker_good(breaker(r.ps)), breaker_good(breaker(r.tt or r.tg), r.tn)
  local probe = got_through(quota, r.sa or r.as or now)
  return account or target or probe
end

-- What a reply's headers say, where they say anything.
local function learn_limits(r, report)
  if report.limits then
    believe(scope(r.qs), report.limits[1] or 0, report.limits[2] or 0, (report.input or 0) + (report.output or 0))
  end
end

local function learn(id, r, report)
  if report.health == 'good' then
    -- Workers sleep until the probe would time out; it ended sooner.
    if learn_good(r) then ring(r.q, C.BELL_RINGS) end
  elseif report.health == 'bad' then
    breaker_bad(breaker(r.tt or r.tg), report.outcome, words_of(report), id, r.tn)
  elseif report.health == 'account' then
    breaker_open(breaker(r.ps), report.cool_ms or FIRST_OPEN_MS, report.outcome, words_of(report))
  elseif report.health == 'resource' then
    refuse_resource(r, report)
  elseif report.health == 'model' then
    breaker_open(breaker(r.tt or r.tg), report.cool_ms or FIRST_OPEN_MS, report.outcome, words_of(report))
  else
    local began = r.sa or r.as or 0
    local account, target = breaker_void(breaker(r.ps), began), breaker_void(breaker(r.tt or r.tg), began)
    if account or target then ring(r.q, 1) end
  end
  if report.freeze_ms then congest(scope(r.qs), report.freeze_ms, refusal_of(id, r, report)) end
  learn_limits(r, report)
end

-- What a reply says of the prefix that its prompt shares: whether the provider holds it now.
local function remember_prefix(r, report, line)
  if not r.pk or report.charge ~= 'actual' then return end
  local name = K.shared_prefix(line.target, r.pk)
  -- A half, since the tokens of a prefix are an estimate.
  if (report.cached or 0) + (report.written or 0) >= (r.pt or 0) / 2 then
    redis.call('SET', name, 1, 'PX', C.PREFIX_KEPT_MS)
  else
    redis.call('DEL', name)
  end
end

-- Settles the call that r's running attempt holds a reservation for: quota, breakers, budgets, ledger, the record's sums.
local function settle_call(id, r, report, line)
  local reserved = need_of(r, r.xt)
  if report.used then settle_quota(scope(r.qs), reserved, report.used, r.sa or r.as or now) end
  learn(id, r, report)
  remember_prefix(r, report, line)
  save_scopes()
  local bound = tonumber(r.bn or nil) or 0
  for name in string.gmatch(r.bi or '', '[^\n]+') do
    charge(name, line.nano, line.unres, -bound)
    tell_budget(name)
    release('budget:' .. name, 16)
  end
  -- A released attempt was never sent and leaves no line; every other call does, and so does an answer without a call.
  if report.outcome ~= 'released' then enter(line, now) end
  if line.nano ~= 0 then add_to(id, r, 'co', line.nano) end
  if line.unres ~= 0 then add_to(id, r, 'un', line.unres) end
  if line.saved ~= 0 then add_to(id, r, 'sv', line.saved) end
end

-- Refusals for want of quota use up no attempt: a job at the head of its group may meet thousands while a quota is full. Its
-- history keeps the latest; each of them has its line in the ledger.
local REFUSALS = 50
local function forget_refusal(id, attempt)
  local text = attempt > 0 and redis.call('HGET', K.attempts(id), int(attempt))
  local past = text and cjson.decode(text)
  -- One whose steps were paid for stays.
  if past and past.outcome == 'rate_limited' and past.nano == '0' and past.unres == '0' then
    redis.call('HDEL', K.attempts(id), int(attempt))
  end
end

-- The index of unresolved attempts, and their number in the record.
local function mark_open(id, r, attempt)
  redis.call('ZADD', K.unresolved(), now, id .. ':' .. int(attempt))
  add_to(id, r, 'uo', 1)
end

local function unmark_open(id, r, attempt)
  if redis.call('ZREM', K.unresolved(), id .. ':' .. int(attempt)) == 1 and r.uo then
    add_to(id, r, 'uo', -1)
  end
end

-- Ends the running attempt of r (which must be attempt r.at) and leaves the job in no index.
local function end_attempt(id, r, report)
  -- Between two steps no call is in flight: whatever its worker or recovery believes, the end costs nothing.
  if r.sw then
    report.used = nil
    if report.charge ~= 'actual' then report.charge, report.health = 'none', '' end
  end
  local line = attempt_line(id, r, r.at, report)
  redis.call('ZREM', K.leases(), id .. ':' .. int(r.at))
  count(r.q, r.ln, 'running', -1)
  if r.kd ~= 'm' then
    -- Where slots were what held others back, somebody may be asleep for the lack of one.
    if free_slot(scope(r.ps)) then ring(r.q, 1) end
    if r.qs ~= r.ps then free_slot(scope(r.qs)) end
    settle_call(id, r, report, line)
    -- The cost of its steps belongs to the attempt's history; in the ledger they have lines of their own.
    local nano, unres, saved = line.nano + (r.sx or 0), line.unres + (r.su or 0), line.saved + (r.sz or 0)
    local open = report.charge == 'unresolved' or unres > 0
    -- Record and reply tell of a success; only other attempts need an entry in the history.
    local good = report.outcome == 'succeeded' or report.outcome == 'cached' or report.outcome == 'answered'
    if report.outcome ~= 'released' and (not good or open) then
      redis.call('HSET', K.attempts(id), int(r.at), cjson.encode({
        target = line.target, worker = r.wk, started = r.as, ended = now, outcome = report.outcome, charge = open and 'unresolved' or report.charge,
        nano = int(nano), unres = int(unres), saved = saved ~= 0 and int(saved) or nil, unpriced = line.unpriced, budgets = r.bi or r.sy or '', note = report.note or '',
        terms = report.terms, fees = report.fees, counted = open and counted_tokens(line) or nil,
        -- A late reply settles the last call only; what steps before it left unresolved stays unresolved.
        held = r.hb, steps = r.su and int(r.su) or nil, told = r.su and report.charge ~= 'unresolved' or nil,
      }))
      -- What the next attempt waits for is its own.
      if r.hb and not good then
        redis.call('HDEL', K.job(id), 'hb')
        r.hb = nil
      end
    end
    if open then mark_open(id, r, r.at) end
    if report.outcome == 'rate_limited' then forget_refusal(id, r.at - REFUSALS) end
  end
  redis.call('HDEL', K.job(id), unpack(FIELDS.running))
  return line
end

-- Replaces the unresolved cost of an attempt that is over by what is now known of it; false where nothing is unresolved. What
-- a person or a rule settled (outcome `resolved`) is replaced once more, by the attempt's own late report: its cost is the
-- true one, and the ledger gets a line of the difference.
local function resolve_attempt(id, r, attempt, report)
  local text = redis.call('HGET', K.attempts(id), int(attempt))
  if not text then return false end
  local past = cjson.decode(text)
  local by_hand = report.outcome == 'resolved'
  local settled = not by_hand and past.charge == 'actual' and tonumber(past.settled or nil)
  if past.charge ~= 'unresolved' and not settled then return false end
  -- A report of another worker's call under the same number says nothing about this one.
  if report.worker and past.worker and past.worker ~= report.worker then return false end
  -- Nor does a late report of a call whose cost is known already, or that was not in flight. A person settles all of them.
  if past.told and not by_hand then return false end
  local steps = not by_hand and tonumber(past.steps or nil) or 0
  local nano = tonumber(report.nano or nil)
  local unres = math.max(0, tonumber(past.unres) - steps)
  -- Under a budget a late reply without a known price frees nothing.
  if not (nano or by_hand or settled) and unres > 0 and past.budgets ~= '' then return true end
  -- Without a known price what was settled stays. The remainder after the call's own cost covers the steps, up to their
  -- bound.
  local known = nano and nano + math.max(0, math.min(steps, (settled or 0) - nano)) or settled or 0
  local unpriced = (nano or (settled and past.unpriced == 0)) and 0 or 1
  -- A person names no terms, and a reply without a price changes none.
  local terms, fees = past.terms, past.fees
  if nano and not by_hand then terms, fees = report.terms, report.fees end
  local counted = not by_hand and past.counted or {}
  local line = {
    job = id, attempt = attempt, target = past.target, tenant = r.tn, batch = r.ba, tags = r.tags, outcome = report.outcome,
    requests = 0, input = (report.input or 0) - (counted.input or 0), output = (report.output or 0) - (counted.output or 0),
    cached = (report.cached or 0) - (counted.cached or 0), nano = known - (settled or 0), unres = -unres,
    saved = report.saved or 0, unpriced = unpriced - past.unpriced, terms = terms, fees = further_fees(past.fees, fees),
    before = {nano = settled or 0, terms = past.terms},
  }
  enter(line, past.ended)
  for name in string.gmatch(past.budgets, '[^\n]+') do
    charge(name, line.nano, -unres, 0)
    tell_budget(name)
    release('budget:' .. name, 16)
  end
  local left = tonumber(past.unres) - unres
  past.charge, past.nano, past.unres, past.unpriced = 'actual', int(tonumber(past.nano) + line.nano), int(left), unpriced
  if left > 0 then past.charge = 'unresolved' end
  if steps > 0 then past.told = true end
  if line.saved ~= 0 then
    past.saved = int((tonumber(past.saved or nil) or 0) + line.saved)
    add_to(id, r, 'sv', line.saved)
  end
  past.terms, past.fees = terms, fees
  if not by_hand then past.counted = nil end
  past.resolved, past.note = report.outcome, report.note or past.note
  past.settled = by_hand and int(known) or nil
  redis.call('HSET', K.attempts(id), int(attempt), cjson.encode(past))
  add_to(id, r, 'co', line.nano)
  add_to(id, r, 'un', -unres)
  if left == 0 then unmark_open(id, r, attempt) end
  if ENDED[r.st] and not has_open_cost(r) then
    -- Kept for this alone, it goes when other records of its age do; not at once, as somebody may have just looked.
    local rest = math.max(C.SETTLED_KEPT_MS, (r.en or now) + retention('results') - now)
    redis.call('PEXPIRE', K.job(id), rest)
    redis.call('PEXPIRE', K.attempts(id), rest)
  end
  return true
end
