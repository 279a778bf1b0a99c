--! flags allow-oom
--! use clock, vectors
-- Forgets cached replies and vectors, oldest first; the jobs that they point to stay.
--
-- KEYS[1] anchor
-- ARGV: most entries to forget in this call
-- Returns how many it forgot.
local most = tonumber(ARGV[1])
local keys = redis.call('ZRANGE', K.cache_index(), 0, most - 1)
for _, key in ipairs(keys) do
  redis.call('DEL', K.cached(key))
  redis.call('ZREM', K.cache_index(), key)
end
local left = most - #keys
return #keys + (left > 0 and forget_vectors(redis.call('ZRANGE', K.vector_index(), 0, left - 1)) or 0)
