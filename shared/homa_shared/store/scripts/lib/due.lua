--! use record, backlog
-- Jobs whose delay is over.
-- Gives: due_jobs(most), promote(id), true where it joined its group.
local function due_jobs(most) return redis.call('ZRANGEBYSCORE', K.due(), '-inf', now, 'LIMIT', 0, most) end

local function promote(id)
  local r = load_record(id)
  redis.call('ZREM', K.due(), id)
  if not r or r.st ~= 'due' then return false end
  count(r.q, r.ln, 'due', -1)
  redis.call('HDEL', K.job(id), 'due')
  make_ready(id, r)
  ring(r.q, 1)
  return true
end
