--! use clock
-- Whether there was a failover: another server process than the one that wrote here last holds the data (it was started
-- again, or a replica was promoted), so that the last writes may be missing. Nothing is handed out then until
-- the workers that lived have told of their attempts, or for one lease where one of them does not come back: what a live
-- worker calls and the store has forgotten would be handed to another and called twice.

-- A worker whose first beat is among the missing writes is not known; it has so long to tell of itself.
local AT_LEAST_MS = 2000

-- A plain search: a pattern would be tried at each letter of what INFO tells, at each take.
local function server_run()
  local info = redis.call('INFO', 'server')
  local _, stop = string.find(info, 'run_id:', 1, true)
  return stop and string.match(info, '^%x+', stop + 1) or ''
end

-- Milliseconds for which nothing may be handed out, 0 as a rule, and the run of the server.
local function held_after_failover(lease_ms)
  local run = server_run()
  local v = redis.call('HMGET', K.beat(), 'run', 'born', 'before', 'last')
  if v[1] ~= run then
    redis.call('HSET', K.beat(), 'run', run)
    -- A new store has forgotten nothing.
    if not v[1] then return 0, run end
    v[2], v[3] = now, v[4] or now
    -- Nor is a lease judged: its renewal may be among the missing writes.
    redis.call('HSET', K.beat(), 'born', now, 'before', v[3], 'grace', now + lease_ms)
  end
  v[2], v[3] = number_of(v[2]), number_of(v[3]) or now
  if not v[2] then return 0, run end
  -- Where the clock was set back since, it begins anew.
  if v[2] > now then
    v[2] = now
    redis.call('HSET', K.beat(), 'born', now)
  end
  local left, since = v[2] + lease_ms - now, now - v[2]
  if left > 0 and since < AT_LEAST_MS then return math.min(left, AT_LEAST_MS - since), run end
  if left > 0 then
    for _, worker in ipairs(redis.call('ZRANGEBYSCORE', K.workers(), v[3] - lease_ms, '+inf')) do
      if redis.call('HGET', K.worker(worker), 'told') ~= run then return math.min(left, 100), run end
    end
  end
  redis.call('HDEL', K.beat(), 'born', 'before')
  return 0, run
end
