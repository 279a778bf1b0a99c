--! use clock, record, turns
-- Gives: pending_turn(id), number and job of the turn that waits for its answer, nil where none does.

-- What ended the job of a conversation has closed its turn, unless a release that knows nothing of conversations ended it, or
-- the job's record is gone with part of the store: then whoever looks first closes it.
local function pending_turn(id)
  local turn = redis.call('HGET', K.conversation(id), 'pending')
  if not turn then return nil end
  local job = string.match(redis.call('HGET', K.turns(id), turn) or '', '^p (%S+) ')
  if not job then
    redis.call('HDEL', K.conversation(id), 'pending')
    return nil
  end
  local r = load_record(job)
  if r and not ENDED[r.st] then return turn, job end
  local reply = redis.call('GET', K.reply(job))
  local state = r and reply and r.st or 'failed'
  local gone = cjson.encode({error = {kind = 'gone', message = 'the store holds no reply of its job ' .. job}})
  close_turn(job, {cv = id .. ':' .. turn, ck = r and r.ck}, state, reply or gone)
  return nil
end
