--! flags allow-oom
--! use clock
-- Cached vectors of single texts, to a worker that is about to embed them; what is found counts as used just now.
--
-- KEYS[1] anchor
-- ARGV: name of an entry… (a few hundred at most)
-- Returns an entry or false per name. What stands under a name and is no entry counts as missing.
-- Cost: O(log N) an entry, and its bytes.
local answers, hits = {}, 0
for i, name in ipairs(ARGV) do
  local found = redis.pcall('GET', K.vector(name))
  if type(found) == 'string' then
    hits = hits + 1
    redis.call('ZADD', K.vector_index(), 'XX', now, name .. ':' .. #found)
    answers[i] = found
  else
    answers[i] = false
  end
end
if hits > 0 then redis.call('HINCRBY', K.cache_stats(), 'vector_hits', hits) end
if hits < #ARGV then redis.call('HINCRBY', K.cache_stats(), 'vector_misses', #ARGV - hits) end
return answers
