--! flags allow-oom
--! use clock, record
-- Forgets jobs that have ended before their retention does. Ledger and totals stay; so does a job with unresolved cost,
-- which only its record can resolve.
--
-- KEYS[1] anchor
-- ARGV: job…
-- Returns how many were forgotten.
local purged = 0
for _, id in ipairs(ARGV) do
  local v = redis.call('HMGET', K.job(id), 'st', 'un', 'ck', 'uo')
  if not v[1] then
    redis.call('ZREM', K.ended(), id)
  elseif ENDED[v[1]] and tonumber(v[2] or 0) == 0 and tonumber(v[4] or 0) <= 0 then
    redis.call('DEL', K.job(id), K.request(id), K.attempts(id), K.deltas(id))
    -- Equal jobs may have ended by its reply, and refer to it for as long as it is kept.
    if not v[3] then redis.call('DEL', K.reply(id)) end
    redis.call('ZREM', K.ended(), id)
    purged = purged + 1
  end
end
return purged
