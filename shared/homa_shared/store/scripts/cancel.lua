--! flags allow-oom
--! use clock, record, orders, backlog, ending, follow
-- Cancels jobs: one that waits ends at once, one that runs is flagged and its worker told. Where equal jobs follow them,
-- a portion a call.
--
-- KEYS[1] anchor
-- ARGV: job…
-- Returns per job, as far as the portion goes: cancelled, cancelling (it runs; its worker was told), or the state in
-- which it has ended, or unknown.

-- A call's effort is a slice; a job that leads nobody is 1.
local answers, effort = {}, 0
for i, id in ipairs(ARGV) do
  if effort >= C.SLICE then break end
  local r = load_record(id)
  effort = effort + 1
  if not r then
    answers[i] = 'unknown'
  elseif ENDED[r.st] then
    answers[i] = r.st
  elseif r.st == 'running' then
    redis.call('HSET', K.job(id), 'cx', 1)
    order_cancel(id, r)
    answers[i] = 'cancelling'
  else
    withdraw(id, r)
    end_job(id, r, 'cancelled', nil, 'cancelled before it ran')
    effort = effort + after_failure(id, r) - 1
    answers[i] = 'cancelled'
  end
end
return answers
