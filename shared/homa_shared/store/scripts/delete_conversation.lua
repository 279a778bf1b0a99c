--! flags allow-oom
--! use clock, record, orders, backlog, ending, follow, turns, pending_turn, owner
-- Forgets a conversation, its turns and its summary at once. A job that was to answer its last turn is cancelled, and what comes
-- of it is nobody's turn. Records, requests and replies of its jobs stay for their own retention.
--
-- KEYS[1] anchor
-- ARGV: conversation, 1 where only its own owner may, owner, tenant
-- Returns {answer, job}: ok with the job that was cancelled or is being so, '' for none; unknown; forbidden.
local id = ARGV[1]
if redis.call('EXISTS', K.conversation(id)) == 0 then return {'unknown', ''} end
if ARGV[2] == '1' and is_anothers(id, ARGV[3], ARGV[4]) then return {'forbidden', ''} end
local _, job = pending_turn(id)
redis.call('DEL', K.conversation(id), K.turns(id))
redis.call('ZREM', K.conversations(), id)
if not job then return {'ok', ''} end
local r = load_record(job)
if r.st == 'running' then
  redis.call('HSET', K.job(job), 'cx', 1)
  order_cancel(job, r)
else
  withdraw(job, r)
  end_job(job, r, 'cancelled', nil, 'cancelled: its conversation was deleted')
  after_failure(job, r)
end
return {'ok', job}
