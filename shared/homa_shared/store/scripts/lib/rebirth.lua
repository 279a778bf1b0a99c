--! use clock
-- Whether the store came back from somewhere: another server process than the one that wrote here last holds the data (it
-- was started again, or a replica was promoted), so that its last moments may be missing. Nothing is handed out then until
-- the workers that lived have told of their attempts, or for one lease where one of them does not come back: what a live
-- worker calls and the store has forgotten would be handed to another and called twice.

-- A worker that joined in the moments that are missing is not known; it has so long to tell of itself.
local AT_LEAST_MS = 2000

local function server_run() return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or '' end

-- Milliseconds for which nothing may be handed out, 0 as a rule, and the run of the server.
local function held_by_rebirth(lease_ms)
  local run = server_run()
  local v = redis.call('HMGET', K.beat(), 'run', 'born', 'before', 'last')
  if v[1] ~= run then
    redis.call('HSET', K.beat(), 'run', run)
    -- A store that no server has held before has forgotten nothing.
    if not v[1] then return 0, run end
    v[2], v[3] = now, v[4] or now
    -- Nor is a lease judged whose renewals may be what is missing.
    redis.call('HSET', K.beat(), 'born', now, 'before', v[3], 'grace', now + lease_ms)
  end
  if not v[2] then return 0, run end
  local left, since = tonumber(v[2]) + lease_ms - now, now - tonumber(v[2])
  if left > 0 and since < AT_LEAST_MS then return math.min(left, AT_LEAST_MS - since), run end
  if left > 0 then
    for _, worker in ipairs(redis.call('ZRANGEBYSCORE', K.workers(), tonumber(v[3]) - lease_ms, '+inf')) do
      if redis.call('HGET', K.worker(worker), 'told') ~= run then return math.min(left, 100), run end
    end
  end
  redis.call('HDEL', K.beat(), 'born', 'before')
  return 0, run
end
