--! flags allow-oom
--! use clock, failover
-- Tells a worker which server holds the store; and the store, that the worker has told this server of all its attempts.
--
-- KEYS[1] anchor
-- ARGV: worker, lease_ms, run of the server that the worker has told all ('' none)
-- Returns the run of the present server. Cost: O(1).
local worker, told = ARGV[1], ARGV[3]
local _, run = held_after_failover(tonumber(ARGV[2]))
if told ~= '' then
  redis.call('HSET', K.worker(worker), 'told', told)
  redis.call('PEXPIRE', K.worker(worker), C.WORKER_KEPT_MS)
end
return run
