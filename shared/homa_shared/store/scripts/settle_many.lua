--! flags allow-oom
--! use clock, record, backlog, sums, turns, flow_nodes, ending, ledger, attempt, report, follow, plain_reports
-- Good replies of several jobs, each as `settle` takes it: still one transition a job, idempotent by job and attempt. Those that
-- are plain (one call whose usage and price are known, by the attempt that runs) are settled here; what they add to the same
-- counters, scopes and budgets is folded into one write. All others are left as they are, for `settle`.
--
-- Lua does not roll back: everything is decoded, read and checked before the first write, and no write behind it can be refused.
--
-- KEYS[1] anchor
-- ARGV: per job: job, attempt, reply JSON, report JSON
-- Returns an answer a job, in their order: ok (also when repeated), or '' (not plain, or a job's second report in one call).
-- Cost: O(n log N).

-- Most jobs released in one call, of all that wait for room in the budgets settled; each settlement makes room for few, and
-- housekeeping releases the rest.
local MOST_RELEASED = 64

local answers, jobs = read_plain_reports()
if #jobs == 0 then return answers end

-- What the jobs share: groups of those that count alike, settlements by budget, ended jobs by batch, bells by queue; keys
-- that go.
local groups, budgets, batches, bells, leases, requests = {}, {}, {}, {}, {}, {}
local today = day_name(now)

-- The group of jobs that add to the same counters, scopes and budgets, and the sums of its lines.
local function group_of(r, line)
  local name = r.q .. '\n' .. r.ln .. '\n' .. r.ps .. '\n' .. r.qs .. '\n' .. (r.tt or r.tg) .. '\n' .. line.target .. '\n' .. r.tn .. '\n'
    .. (r.ba or '') .. '\n' .. (r.tags or '') .. '\n\n' .. (r.bi or '') .. '\n\n' .. (line.terms or '')
  local group = groups[name]
  if not group then
    group = {r = r, n = 0, bytes = 0, bound = 0}
    group.line = {target = line.target, tenant = line.tenant, batch = line.batch, tags = line.tags, terms = line.terms, fees = {}}
    for _, measure in ipairs(C.MEASURES) do group.line[measure] = 0 end
    groups[name] = group
  end
  return group
end

local function add_line(sum, line)
  for _, measure in ipairs(C.MEASURES) do sum[measure] = sum[measure] + (line[measure] or 0) end
  for unit, number in pairs(line.fees or {}) do sum.fees[unit] = (sum.fees[unit] or 0) + number end
end

-- The new fields of a record.
local function ended_fields(r, report, line)
  local fields = {'st', 'succeeded', 'en', now, 'wa', r.at, 'ww', report.worker}
  if line.nano ~= 0 then fields[9], fields[10] = 'co', int((r.co or 0) + line.nano) end
  if line.saved ~= 0 then fields[#fields + 1], fields[#fields + 2] = 'sv', int((r.sv or 0) + line.saved) end
  return fields
end

local function prepare(job)
  local r = job.r
  job.line = attempt_line(job.id, r, r.at, job.report)
  job.fields = ended_fields(r, job.report, job.line)
  job.kept = record_kept(has_open_cost(r))
  leases[#leases + 1] = job.id .. ':' .. int(r.at)
  if r.ba then
    batches[r.ba] = batches[r.ba] or {}
    table.insert(batches[r.ba], job.id)
  end
  local group = group_of(r, job.line)
  group.n, group.bytes, group.bound = group.n + 1, group.bytes + #job.reply, group.bound + (tonumber(r.bn or nil) or 0)
  add_line(group.line, job.line)
end

local function count_budgets(group)
  for name in string.gmatch(group.r.bi or '', '[^\n]+') do
    local b, key = instance(name), K.budget(name)
    budgets[name] = (budgets[name] or 0) + group.n
    b.spent, b.reserved = b.spent + group.line.nano, b.reserved - group.bound
    add(key, 'spent', group.line.nano)
    add(key, 'reserved', -group.bound)
  end
end

-- Reads what the ends of a group's jobs will change, and folds what they add to sums.
local function count_group(group)
  local r = group.r
  scope(r.ps)
  scope(r.qs)
  breaker(r.ps)
  breaker(r.tt or r.tg)
  bells[r.q] = bells[r.q] or 0
  add(K.queue(r.q), r.ln .. '.running', -group.n)
  count_ends(add, r, 'succeeded', group.n, group.bytes)
  add_up(add, group.line, today)
  count_budgets(group)
end

local function check_turn(cv, reply)
  local conversation = string.match(cv, '^(.*):') or ''
  require_type(K.conversation(conversation), 'hash')
  require_type(K.turns(conversation), 'hash')
  require_type(K.conversations(), 'zset')
  require_type(K.media_places(), 'hash')
  for _, digest in ipairs(media_in(reply)) do require_type(K.media_users(digest), 'set') end
end

-- Fails before anything is written, where the store holds something that a write would stumble over: then each job is
-- settled by itself.
local function check()
  read_sums()
  require_type(K.config(), 'hash')
  require_type(K.ledger(), 'stream')
  require_type(K.events(), 'stream')
  require_type(K.leases(), 'zset')
  require_type(K.deadlines(), 'zset')
  require_type(K.days(), 'set')
  require_type(K.schedule_ended(), 'zset')
  require_type(K.reasons(), 'zset')
  for name in pairs(budgets) do require_type(K.waiting('budget:' .. name), 'zset') end
  for batch in pairs(batches) do require_type(K.batch_done(batch), 'list') end
  for queue in pairs(bells) do require_type(K.bell(queue), 'list') end
  for _, job in ipairs(jobs) do if job.r.cv then check_turn(job.r.cv, job.reply) end end
end

local function end_call(r, report, line)
  if free_slot(scope(r.ps)) then bells[r.q] = math.max(bells[r.q], 1) end
  if r.qs ~= r.ps then free_slot(scope(r.qs)) end
  if report.used then settle_quota(scope(r.qs), need_of(r, r.xt), report.used, r.sa or r.as or now) end
  if learn_good(r) then bells[r.q] = C.BELL_RINGS end
  learn_limits(r, report)
  remember_prefix(r, report, line)
end

-- Whether any of the jobs has a history; nearly none of those has that succeed at once.
local function have_history()
  local keys = {}
  for i, job in ipairs(jobs) do keys[i] = K.attempts(job.id) end
  return redis.call('EXISTS', unpack(keys)) > 0
end

local function write_record(id, r, fields)
  local gone = {}
  for _, field in ipairs(FIELDS.running) do if r[field] then gone[#gone + 1] = field end end
  redis.call('HSET', K.job(id), unpack(fields))
  redis.call('HDEL', K.job(id), unpack(gone))
end

-- What is left of an ended job, and for how long.
local function keep_job(id, r, reply, kept, with_history)
  redis.call('SET', K.reply(id), reply, 'PX', retention('results'))
  redis.call('PEXPIRE', K.job(id), kept)
  if with_history then redis.call('PEXPIRE', K.attempts(id), kept) end
  if retention('requests') > 0 then
    redis.call('PEXPIRE', K.request(id), retention('requests'))
  else
    requests[#requests + 1] = K.request(id)
  end
  keep_beside(id, r)
  if r.cv then close_turn(id, r, 'succeeded', reply) end
end

-- Budgets take turns, call by call, where more jobs wait than are released. It comes last, since it meets records and
-- indexes of other jobs: whatever is odd there, the replies of this call are taken.
local function release_for_room()
  local names, left = {}, MOST_RELEASED
  for name in pairs(budgets) do names[#names + 1] = name end
  for i = 1, #names do
    local name = names[(now_us + i) % #names + 1]
    left = left - release('budget:' .. name, math.min(16 * budgets[name], left))
    if left <= 0 then return end
  end
end

for _, job in ipairs(jobs) do prepare(job) end
for _, group in pairs(groups) do count_group(group) end
check()
-- What breakers and prompt caches learn may be learnt twice; from here on nothing is left to reckon.
for _, job in ipairs(jobs) do end_call(job.r, job.report, job.line) end
write_sums()
save_scopes()
redis.call('ZREM', K.leases(), unpack(leases))
redis.call('SADD', K.days(), today)
local with_history = have_history()
for _, job in ipairs(jobs) do
  write_record(job.id, job.r, job.fields)
  keep_job(job.id, job.r, job.reply, job.kept, with_history)
  write_line(job.line)
  emit('job.succeeded', job.id, job.r)
end
if #requests > 0 then redis.call('DEL', unpack(requests)) end
-- Before their batch may be complete, as it might be with the end of a job that followed one of them.
Flow.gathers = true
for _, job in ipairs(jobs) do if job.r.nd then Flow.node_ended(job.id, job.r, 'succeeded') end end
Flow.write_all()
after_successes(jobs)
for batch, ids in pairs(batches) do
  redis.call('RPUSH', K.batch_done(batch), unpack(ids))
  complete_batch(batch)
end
for _, job in ipairs(jobs) do wake_waiting(job.id, job.r, 'succeeded') end
for queue, rings in pairs(bells) do if rings > 0 then ring(queue, rings) end end
for name in pairs(budgets) do tell_budget(name) end
release_for_room()
return answers
