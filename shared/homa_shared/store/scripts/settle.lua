--! flags allow-oom
--! use clock, record, orders, backlog, ending, attempt, report, follow, restore_attempt
-- A good reply: the attempt ends at its actual cost, the job ends as succeeded.
--
-- KEYS[1] anchor
-- ARGV: job, attempt, reply JSON, report JSON
-- Returns ok (also when repeated), late (the attempt was over: its cost replaced what stood unresolved, and a job still
-- alive ended by it), or unknown (the store holds no such job:
-- only the call's cost is entered).
-- Cost: O(log N), plus 100 followers a call.
local id, attempt, reply = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local report = read_report(ARGV[4])
local r = load_record(id)
if not r then return enter_orphan(id, attempt, report) end
if forgotten(r, attempt) then restore_attempt(id, r, attempt, report.worker or '', report.by) end

local function won_by(number)
  redis.call('HSET', K.job(id), 'wa', number)
  if report.worker then redis.call('HSET', K.job(id), 'ww', report.worker) end
end

if is_running(r, attempt, report.worker) then
  end_attempt(id, r, report)
  won_by(attempt)
  end_job(id, r, 'succeeded', reply)
  after_success(id, r, report.partial)
  return 'ok'
end

if r.wa == attempt and (not report.worker or not r.ww or r.ww == report.worker) then return 'ok' end
local number = resolve_attempt(id, r, attempt, report) and attempt or enter_unknown(id, r, attempt, report)
if not number then return 'ok' end
if ENDED[r.st] then
  if r.st ~= 'succeeded' then
    local late, is_json = string.gsub(reply, '^{', '{"late":true,', 1)
    redis.call('SET', K.reply(id), is_json == 1 and late or '{"late":true}' .. reply, 'KEEPTTL')
  end
  return 'late'
end
-- The job lives on in another attempt or waits for one: this reply ends it, and the other attempt is called off.
if r.st == 'running' then
  order_cancel(id, r)
  end_attempt(id, r, {outcome = 'superseded', charge = 'unresolved', health = '', note = ''})
else
  withdraw(id, r)
end
won_by(number)
end_job(id, r, 'succeeded', reply)
after_success(id, r, report.partial)
return 'late'
