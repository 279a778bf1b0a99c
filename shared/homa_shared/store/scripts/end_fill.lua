--! flags allow-oom
--! use clock, record, backlog, ending, attempt
-- The end of one try to fill the batch of a schedule's run: it is sealed, is tried again later, or is given up.
--
-- KEYS[1] anchor
-- ARGV: its message's job, attempt, outcome (filled, again, released, refused), what went wrong, delay_ms for `again`
-- Returns filled, again, failed, cancelled or stale. One that would be tried again after more than its time is given up; the
-- next look at schedules then cancels the batch (close_runs.lua), as that of one that no worker survives. Cost: O(log N).
local id, attempt, outcome, detail, delay = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local r = load_record(id)
if not (r and r.st == 'running' and r.at == attempt) then return 'stale' end
if outcome == 'again' and now + delay > r.sb + C.FILL_MS then outcome = 'refused' end
local again = outcome == 'again' or outcome == 'released'
end_attempt(id, r, {outcome = outcome == 'filled' and 'succeeded' or again and 'again' or 'failed', charge = 'none', health = ''})

if again and r.cx then
  end_job(id, r, 'cancelled', nil, 'cancelled while its input was read')
  return 'cancelled'
elseif again then
  make_ready(id, r, outcome == 'again' and now + delay or nil)
  ring(r.q, 1)
  return 'again'
elseif outcome == 'refused' then
  end_job(id, r, 'failed', cjson.encode({error = {kind = 'fill', message = detail}}), '')
  return 'failed'
end
end_job(id, r, 'succeeded', '{}', '')
return 'filled'
