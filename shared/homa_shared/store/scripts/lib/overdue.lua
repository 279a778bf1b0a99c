--! use clock, record, backlog, ending, follow, holds
-- Gives: expire(id), for a job whose deadline has passed: ends it where it waits; returns the effort, nil where it did not end
-- here. A running job's deadline is its worker's to keep; it comes back here only when its lease ran out.
local function expire(id)
  local r = load_record(id)
  if not r or ENDED[r.st] or r.st == 'running' then
    redis.call('ZREM', K.deadlines(), id)
    return nil
  end
  local waited = why_it_waited(r)
  withdraw(id, r)
  end_job(id, r, 'expired', nil, 'its deadline passed while it waited ' .. waited)
  return after_failure(id, r)
end
