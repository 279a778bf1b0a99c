--! use clock, record
-- Gives: forget(job), which takes a job that has ended out of the store before its retention does; false where it may not.
-- A job with unresolved cost stays: its record alone can resolve it.
local function forget(id)
  local v = redis.call('HMGET', K.job(id), 'st', 'un', 'ck', 'uo')
  if not v[1] then
    redis.call('ZREM', K.ended(), id)
    return false
  end
  if not ENDED[v[1]] or tonumber(v[2] or 0) ~= 0 or tonumber(v[4] or 0) > 0 then return false end
  redis.call('DEL', K.job(id), K.request(id), K.attempts(id), K.deltas(id))
  -- Equal jobs may have ended by its reply, and refer to it for as long as it is kept.
  if not v[3] then redis.call('DEL', K.reply(id)) end
  redis.call('ZREM', K.ended(), id)
  return true
end
