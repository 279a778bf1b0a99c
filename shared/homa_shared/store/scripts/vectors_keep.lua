--! use clock, vectors
-- Keeps vectors of single texts for later jobs. They are a convenience: where room is short none is kept, and the ones that
-- were not used for longest give way.
--
-- KEYS[1] anchor
-- ARGV: percent of maxmemory that used memory may take (0: do not look), then name and bytes of an entry…
-- Returns how many are kept.
-- Cost: O(log N) an entry, and its bytes; as many old ones are forgotten at most, and a hundred.
local percent, coming = tonumber(ARGV[1]), 0
for i = 3, #ARGV, 2 do coming = coming + #ARGV[i] end

local v = redis.call('HMGET', K.config(), 'cache.ttl_ms', 'cache.vector_bytes', 'keep.results')
local ttl = math.max(1, math.min(tonumber(v[1] or C.CACHE_KEPT_MS), tonumber(v[3] or C.RESULTS_KEPT_MS)))
local most = tonumber(v[2] or MOST_VECTOR_BYTES)

if percent > 0 then
  local info = redis.call('INFO', 'memory')
  local used, room = tonumber(string.match(info, 'used_memory:(%d+)')), tonumber(string.match(info, 'maxmemory:(%d+)'))
  if room > 0 then
    if (used + coming) * 100 > room * percent then return 0 end
    most = math.min(most, math.floor(room / 10))
  end
end

local slice = (#ARGV - 1) / 2 + 100
-- One that was last used so long ago has run out.
forget_vectors(redis.call('ZRANGEBYSCORE', K.vector_index(), '-inf', now - ttl, 'LIMIT', 0, slice))

local stored = 0
for i = 2, #ARGV, 2 do
  local size = #ARGV[i + 1]
  redis.call('SET', K.vector(ARGV[i]), ARGV[i + 1], 'PX', ttl)
  if redis.call('ZADD', K.vector_index(), now, ARGV[i] .. ':' .. size) == 1 then
    redis.call('HINCRBY', K.cache_stats(), 'vector_bytes', size)
  end
  stored = stored + 1
end
redis.call('HINCRBY', K.cache_stats(), 'vectors_stored', stored)

local excess = tonumber(redis.call('HGET', K.cache_stats(), 'vector_bytes') or 0) - most
if excess > 0 then
  local oldest = {}
  for _, member in ipairs(redis.call('ZRANGE', K.vector_index(), 0, slice - 1)) do
    if excess <= 0 then break end
    oldest[#oldest + 1] = member
    excess = excess - size_of(member)
  end
  forget_vectors(oldest)
end
return stored
