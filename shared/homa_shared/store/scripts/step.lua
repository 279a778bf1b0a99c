--! flags allow-oom
--! use clock, record, backlog, attempt, report, restore_attempt
-- A step: a call that does not end its job (a tool is called, the answer does not fit its schema, a part of many
-- embeddings was embedded, or refused and is to be asked for in halves). Its cost is settled and its state journaled, so that any later attempt, also at another target, goes on
-- from there instead of paying again. The attempt then holds its slots and nothing else, until `next_step`.
--
-- KEYS[1] anchor
-- ARGV: job, attempt, step number, worker, report JSON, state (what to go on from, as the worker wrote it)
-- Returns ok (also when repeated), late (the attempt was over: only its cost was recorded), stale, unknown.
-- Cost: O(log N), plus the size of the state.
local id, attempt, step, worker = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local report = read_report(ARGV[5])
report.worker = report.worker or worker
local field = 'step.' .. int(step)
local r = load_record(id)
if not r then return enter_orphan(id, attempt, report, step) end

local past = redis.call('HGET', K.attempts(id), field)
past = past and cjson.decode(past)
if past and past.attempt == attempt and (past.worker or worker) == worker then
  return is_running(r, attempt, worker) and 'ok' or 'stale'
end

local function journal(line)
  redis.call('HSET', K.attempts(id), field, cjson.encode({
    attempt = attempt, worker = worker, target = r.tt or r.tg, at = now, nano = int(line.nano or 0), unres = int(line.unres or 0),
    unpriced = line.unpriced or 0, input = report.input or 0, output = report.output or 0, cached = report.cached or 0,
    saved = (line.saved or 0) ~= 0 and int(line.saved) or nil, note = report.note or '',
    terms = report.terms, fees = report.fees,
  }))
  redis.call('HSET', K.steps(id), int(step), ARGV[6])
  redis.call('HSET', K.job(id), 'sn', int(step))
end

if forgotten(r, attempt) then
  restore_attempt(id, r, attempt, worker, report.by)
  -- A lease of its own, until the worker's next beat takes over.
  redis.call('ZADD', K.leases(), now + C.LEASE_MS, id .. ':' .. int(attempt))
end

if is_running(r, attempt, worker) then
  local line = attempt_line(id, r, attempt, report)
  settle_call(id, r, report, line)
  journal(line)
  redis.call('HSET', K.job(id), 'sw', 1)
  if line.nano ~= 0 then add_to(id, r, 'sx', line.nano) end
  if line.saved ~= 0 then add_to(id, r, 'sz', line.saved) end
  if line.unres ~= 0 then
    add_to(id, r, 'su', line.unres)
    if r.bi then redis.call('HSET', K.job(id), 'sy', r.bi) end
  end
  redis.call('HDEL', K.job(id), 'bi', 'sr', 'sa')
  return 'ok'
end

if report.charge ~= 'actual' or not resolve_attempt(id, r, attempt, report) then
  return enter_unknown(id, r, attempt, report) and 'late' or 'stale'
end
-- The step was not repeated so far: it is journaled, so that it need not be paid twice.
if not ENDED[r.st] and r.st ~= 'running' and (r.sn or 0) == step - 1 then journal({nano = tonumber(report.nano or nil), saved = report.saved}) end
return 'late'
