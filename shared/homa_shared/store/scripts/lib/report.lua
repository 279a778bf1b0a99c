--! use clock, record, budget, ledger, attempt
-- A worker's report of an attempt, as JSON (fields: lib/attempt.lua), and what to answer when the attempt is not the
-- running one: a repeated report changes nothing, a late one corrects unresolved cost, and one of a call that the store does
-- not know (a failover lost it) is entered.
local function read_report(text)
  local report = cjson.decode(text)
  for field, value in pairs(report) do
    if value == cjson.null then report[field] = nil end
  end
  return report
end

-- Whether this is the running attempt and the reporter its worker. Where the store had forgotten an attempt, two workers may
-- have called under one number.
local function is_running(r, attempt, worker)
  return r and r.st == 'running' and r.at == attempt and (not worker or not r.wk or r.wk == '' or r.wk == worker)
end

-- Second calls under an attempt's number stand in history and ledger under numbers of their own, which no attempt ever
-- reaches: refusals for want of quota alone may come to thousands.
local DUPLICATES = 1000000000

local function number_for(key, r, attempt)
  local taken = r.wa == attempt or (r.st == 'running' and r.at == attempt) or redis.call('HEXISTS', key, int(attempt)) == 1
  return taken and DUPLICATES + redis.call('HINCRBY', key, 'dup.count', 1) or attempt
end

-- Whether the store knows of the attempt as this worker made it.
local function is_known(key, r, attempt, worker)
  if r.wa == attempt and (not r.ww or r.ww == worker) then return true end
  local past = redis.call('HGET', key, int(attempt))
  local by = past and cjson.decode(past).worker
  return past and (not by or by == worker)
end

-- Enters a call of which the store has no trace; returns the number that it stands under, nil when there is one. Quota is
-- left alone: whatever it took has been forgotten with it.
local function enter_unknown(id, r, attempt, report)
  local key, worker = K.attempts(id), report.worker
  if not worker or report.charge == 'none' or is_known(key, r, attempt, worker) then return nil end
  local mark = 'dup.' .. int(attempt) .. '.' .. worker
  if redis.call('HEXISTS', key, mark) == 1 then return nil end
  local number = number_for(key, r, attempt)
  local outcome = number == attempt and report.outcome or 'duplicate'
  local line = attempt_line(id, r, number, report)
  line.outcome, line.requests, line.target = outcome, 1, report.target or line.target
  enter(line, now)
  local names = {}
  for _, cap in ipairs(caps_of(id, r)) do
    charge(cap[1], line.nano, line.unres, 0, cap[2])
    tell_budget(cap[1])
    names[#names + 1] = cap[1]
  end
  if line.nano ~= 0 then add_to(id, r, 'co', line.nano) end
  if line.unres ~= 0 then add_to(id, r, 'un', line.unres) end
  if line.saved ~= 0 then add_to(id, r, 'sv', line.saved) end
  redis.call('HSET', key, mark, int(number), int(number), cjson.encode({
    target = line.target, worker = worker, started = now, ended = now, outcome = outcome, charge = report.charge,
    nano = int(line.nano), unres = int(line.unres), saved = line.saved ~= 0 and int(line.saved) or nil,
    unpriced = line.unpriced, budgets = table.concat(names, '\n'),
    note = report.note or '', terms = report.terms, fees = report.fees,
    counted = report.charge == 'unresolved' and counted_tokens(line) or nil,
  }))
  if report.charge == 'unresolved' then mark_open(id, r, number) end
  if ENDED[r.st] then
    if has_open_cost(r) then redis.call('PEXPIRE', K.job(id), record_kept(true), 'GT') end
    redis.call('PEXPIRE', key, math.max(1, redis.call('PTTL', K.job(id))))
  end
  return number
end

-- Newest ledger lines that are looked through for a call of a job without a record, and how long the call is remembered.
local LINES_BACK, REMEMBERED_MS = 250, 86400000

-- A job's record may be gone because its retention ended, and not because the store forgot it: then its line is in the
-- ledger, unless it was that of a lost call, of which only the bound was known.
local function is_in_ledger(id, attempt)
  for _, line in ipairs(redis.call('XREVRANGE', K.ledger(), '+', '-', 'COUNT', LINES_BACK)) do
    -- Fields stand in the order in which ledger.lua writes them, the job first.
    if line[2][2] == id then
      local f = {}
      for i = 1, #line[2], 2 do f[line[2][i]] = line[2][i + 1] end
      if tonumber(f.attempt) == attempt and f.outcome ~= 'lost' then return true end
    end
  end
  return false
end

-- Enters an orphan: a call of a job whose record the store has lost. Its tenant and batch are unknown; its cost counts in the
-- ledger by target and day, and in the budgets of scope `all`. Always returns 'unknown'. (`dup.homeless` is what stores have.)
-- `step` tells the paid replies of one attempt apart; nil for its end.
local function enter_orphan(id, attempt, report, step)
  local worker = report.worker
  if not worker or not report.target or report.charge == 'none' then return 'unknown' end
  local key, mark = K.attempts(id), 'dup.' .. int(attempt) .. '.' .. worker .. (step and '.' .. int(step) or '')
  if redis.call('HEXISTS', key, mark) == 1 then return 'unknown' end
  if redis.call('HEXISTS', key, 'dup.homeless') == 0 and is_in_ledger(id, attempt) then return 'unknown' end
  local unowned = {tg = report.target, tn = ''}
  local line = attempt_line(id, unowned, attempt, report)
  enter(line, now)
  for _, cap in ipairs(caps_of(id, unowned)) do
    charge(cap[1], line.nano, line.unres, 0, cap[2])
    tell_budget(cap[1])
  end
  redis.call('HSET', key, mark, int(attempt), 'dup.homeless', 1)
  redis.call('PEXPIRE', key, REMEMBERED_MS)
  return 'unknown'
end

-- For reports that are no good reply: refused when the attempt is over, but what they say of its cost is kept.
local function refuse(id, r, attempt, report)
  if not r then return enter_orphan(id, attempt, report) end
  if report.charge ~= 'unresolved' then
    if report.charge == 'none' then report.nano = '0' end
    if resolve_attempt(id, r, attempt, report) then return 'late' end
  end
  return enter_unknown(id, r, attempt, report) and 'late' or 'stale'
end
