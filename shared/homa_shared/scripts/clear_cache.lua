--! flags allow-oom
--! use clock
-- Forgets cached replies, oldest first; the jobs that they point to stay.
--
-- KEYS[1] anchor
-- ARGV: most entries to forget in this call
-- Returns how many it forgot.
local keys = redis.call('ZRANGE', K.cache_index(), 0, tonumber(ARGV[1]) - 1)
for _, key in ipairs(keys) do
  redis.call('DEL', K.cached(key))
  redis.call('ZREM', K.cache_index(), key)
end
return #keys
