--! flags allow-oom
--! use clock, record, backlog, budget, restore_attempt, set_back
-- A worker's heartbeat: it lives, and its attempts' leases are renewed. Attempts that a failover lost are restored, so that a
-- call in flight is not made again.
--
-- KEYS[1] anchor
-- ARGV: worker, lease_ms, facts about the worker as JSON, job:attempt…
-- Returns {{lost…}, {called off…}}: attempts that are no longer this worker's, and those that are to stop: their job was
-- cancelled, or an earlier attempt's late reply ended it. The order that said so may have been lost on its way. An attempt
-- that a later one has replaced goes on: its reply tells what it cost. Cost: O(n log N).
local worker, lease_ms = ARGV[1], tonumber(ARGV[2])
local last = number_of(redis.call('HGET', K.beat(), 'last')) or now
move_back(last, lease_ms)
local lost, called_off = {}, {}
local provider = cjson.decode(ARGV[3]).provider
for i = 4, #ARGV do
  local name = ARGV[i]
  local id, attempt = string.match(name, '^(.*):(%d+)$')
  attempt = tonumber(attempt)
  local held = redis.call('ZADD', K.leases(), 'XX', 'CH', now + lease_ms, name) == 1 or redis.call('ZSCORE', K.leases(), name)
  if not held then
    local r = load_record(id)
    if forgotten(r, attempt) then
      restore_attempt(id, r, attempt, worker, provider)
      held = redis.call('ZADD', K.leases(), now + lease_ms, name)
    elseif r and r.st == 'running' and r.at == attempt and r.wk == worker then
      held = redis.call('ZADD', K.leases(), now + lease_ms, name)
    else
      lost[#lost + 1] = name
      if r and r.st == 'succeeded' and r.wa and r.wa < attempt then called_off[#called_off + 1] = name end
    end
  end
  if held and redis.call('HEXISTS', K.job(id), 'cx') == 1 then called_off[#called_off + 1] = name end
end
redis.call('ZADD', K.workers(), now, worker)
redis.call('HSET', K.worker(worker), 'facts', ARGV[3], 'beat', now)
redis.call('PEXPIRE', K.worker(worker), C.WORKER_KEPT_MS)
-- After a gap in everybody's beats the store was away, or all workers were: nobody's lease is judged before its holder
-- had the time of one lease to say that it lives.
if math.abs(now - last) > lease_ms / 2 then redis.call('HSET', K.beat(), 'grace', now + lease_ms) end
redis.call('HSET', K.beat(), 'last', now)
return {lost, called_off}
