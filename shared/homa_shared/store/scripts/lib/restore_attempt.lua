--! use clock, record, backlog, budget
-- Restores an attempt that a failover lost, as told by the worker that made it: the job runs again under that attempt's number,
-- so that a call in flight is not made again and a reply that arrived is kept.
local function forgotten(r, attempt)
  return r and attempt > r.at and not ENDED[r.st]
end

local function note_called_target(id, r, real)
  if real == r.tg then return end
  r.tt = real
  redis.call('HSET', K.job(id), 'tt', real)
end

-- The target called: the record's, or where that is a pool its member at the provider of whoever called it.
local function called_target(r, provider)
  if string.find(r.tg, ':', 1, true) or not provider or provider == '' then return r.tg, r.tg end
  local row = r.tg .. '|' .. provider
  return row, redis.call('HGET', K.target(row), 'real') or r.tg
end

local function restore_attempt(id, r, attempt, worker, provider)
  local row, real = called_target(r, provider)
  r.tr = (r.tr or 0) + attempt - r.at
  if r.st == 'running' then
    -- The store remembers an older attempt as running: what that one reserved passes to this one.
    redis.call('ZREM', K.leases(), id .. ':' .. int(r.at))
    r.at, r.wk, r.as, r.sw = attempt, worker, now, nil
    redis.call('HSET', K.job(id), 'at', attempt, 'tr', r.tr, 'wk', worker, 'as', now)
    redis.call('HDEL', K.job(id), 'sw', 'sr', 'rn')
    note_called_target(id, r, real)
    return
  end
  withdraw(id, r)
  local plan = redis.call('HMGET', K.target(row), 'account', 'quota')
  r.at, r.st, r.wk, r.as, r.why, r.due = attempt, 'running', worker, now, nil, nil
  redis.call('HSET', K.job(id), 'st', 'running', 'at', attempt, 'tr', r.tr, 'wk', worker, 'as', now)
  count(r.q, r.ln, 'running', 1)
  if r.kd == 'm' then return end
  r.ps, r.qs = plan[1] or r.q, plan[2] or plan[1] or r.q
  redis.call('HSET', K.job(id), 'ps', r.ps, 'qs', r.qs)
  note_called_target(id, r, real)
  redis.call('HINCRBY', K.scope(r.ps), 'busy', 1)
  if r.qs ~= r.ps then redis.call('HINCRBY', K.scope(r.qs), 'busy', 1) end
  local names = {}
  if r.bn then
    for _, cap in ipairs(caps_of(id, r)) do
      charge(cap[1], 0, 0, tonumber(r.bn), cap[2])
      names[#names + 1] = cap[1]
    end
  end
  if #names > 0 then
    r.bi = table.concat(names, '\n')
    redis.call('HSET', K.job(id), 'bi', r.bi)
  end
end
