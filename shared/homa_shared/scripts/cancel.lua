--! flags allow-oom
--! use clock, record, backlog, ending, follow
-- Cancels jobs: one that waits ends at once, one that runs is flagged and its worker told.
--
-- KEYS[1] anchor
-- ARGV: job…
-- Returns per job: cancelled, cancelling (it runs; its worker was told), or the state in which it has ended, or unknown.
local answers = {}
for i, id in ipairs(ARGV) do
  local r = load_record(id)
  if not r then
    answers[i] = 'unknown'
  elseif ENDED[r.st] then
    answers[i] = r.st
  elseif r.st == 'running' then
    redis.call('HSET', K.job(id), 'cx', 1)
    redis.call('RPUSH', K.control(r.wk), 'cancel ' .. id .. ' ' .. int(r.at))
    redis.call('PEXPIRE', K.control(r.wk), 60000)
    answers[i] = 'cancelling'
  else
    withdraw(id, r)
    end_job(id, r, 'cancelled', nil, 'cancelled before it ran')
    after_failure(id, r)
    answers[i] = 'cancelled'
  end
end
return answers
