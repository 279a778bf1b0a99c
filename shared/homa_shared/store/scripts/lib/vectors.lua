--! use clock
-- Cached vectors: an entry a text, an index of `name:bytes` by last use, and the sum of their bytes. An entry that ran out
-- stays in the index until it is its turn there.

-- Bytes that all of them may take where the settings say nothing: some 40 000 vectors of 1536 numbers.
local MOST_VECTOR_BYTES = 268435456

local function size_of(member) return tonumber(string.match(member, ':(%d+)$')) end

-- Forgets entries by their members of the index.
local function forget_vectors(members)
  local bytes = 0
  for _, member in ipairs(members) do
    redis.call('DEL', K.vector(string.match(member, '^(.*):')))
    redis.call('ZREM', K.vector_index(), member)
    bytes = bytes + size_of(member)
  end
  if bytes > 0 then redis.call('HINCRBY', K.cache_stats(), 'vector_bytes', -bytes) end
  return #members
end
