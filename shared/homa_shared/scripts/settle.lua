--! flags allow-oom
--! use clock, record, backlog, ending, attempt, report, follow, reassert
-- A good reply: the attempt ends at its actual cost, the job ends as succeeded.
--
-- KEYS[1] anchor
-- ARGV: job, attempt, reply JSON, report JSON
-- Returns ok (also when repeated), late (the attempt was over: its cost replaced what stood unresolved, and a job still
-- alive ended by it), or unknown (the store holds no such job).
-- Cost: O(log N), plus 100 followers a call.
local id, attempt, reply = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local report = read_report(ARGV[4])
local r = load_record(id)
if not r then return 'unknown' end
if forgotten(r, attempt) then reassert(id, r, attempt, '', report.by) end

if is_running(r, attempt) then
  end_attempt(id, r, report)
  redis.call('HSET', K.job(id), 'wa', attempt)
  end_job(id, r, 'succeeded', reply)
  after_success(id, r)
  return 'ok'
end

if r.wa == attempt then return 'ok' end
if not resolve_attempt(id, r, attempt, report) then return 'ok' end
if ENDED[r.st] then
  if r.st ~= 'succeeded' then
    redis.call('SET', K.reply(id), (string.gsub(reply, '^{', '{"late":true,', 1)), 'KEEPTTL')
  end
  return 'late'
end
-- The job lives on in another attempt or waits for one: this reply ends it, and the other attempt is called off.
if r.st == 'running' then
  redis.call('RPUSH', K.control(r.wk), 'cancel ' .. id .. ' ' .. int(r.at))
  redis.call('PEXPIRE', K.control(r.wk), 60000)
  end_attempt(id, r, {outcome = 'superseded', charge = 'unresolved', health = '', note = ''})
else
  withdraw(id, r)
end
redis.call('HSET', K.job(id), 'wa', attempt)
end_job(id, r, 'succeeded', reply)
after_success(id, r)
return 'late'
