--! flags no-writes
-- Dead letters of an event handler, the oldest first.
--
-- KEYS[1] anchor
-- ARGV: handler, how many to leave out, most letters
-- Returns {name, when it died (ms), letter} per letter. Cost: O(letters returned).
local rows = redis.call('ZRANGE', K.dead_index(ARGV[1]), ARGV[2], ARGV[2] + ARGV[3] - 1, 'WITHSCORES')
local letters = {}
for i = 1, #rows, 2 do
  local letter = redis.call('HGET', K.dead_letters(ARGV[1]), rows[i])
  if letter then letters[#letters + 1] = {rows[i], rows[i + 1], letter} end
end
return letters
