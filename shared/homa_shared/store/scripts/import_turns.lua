--! use clock, room, turns, sealed
-- Puts turns of a conversation in the store that is being imported, under a key of their own: a part at a time, so that none keeps
-- the store busy. What is left there goes by itself.
--
-- KEYS[1] anchor
-- ARGV: name of the import, number of the first turn, percent of maxmemory (submit.lua), then per turn: what is told of it,
--       messages, reply, error ('' none)
-- Returns their bytes. The same part again changes nothing.
-- Cost: O(turns), and their size.
local import, from = ARGV[1], tonumber(ARGV[2])
-- Longer than an import waits for the store between two parts.
local KEPT_MS = 300000
local full = lack_of_room(tonumber(ARGV[3])) or in_clear(ARGV[5] or '')
if full then return full end
local bytes, row = 0, {}
for a = 4, #ARGV, 4 do
  local turn = int(from + (a - 4) / 4)
  row[#row + 1], row[#row + 2] = turn, ARGV[a]
  for j, part in ipairs({'.u', '.a', '.e'}) do
    local text = ARGV[a + j]
    if text ~= '' then row[#row + 1], row[#row + 2] = turn .. part, text end
    bytes = bytes + #text
    refer_to_media(import, text)
  end
end
redis.call('HSET', K.turns(import), unpack(row))
redis.call('PEXPIRE', K.turns(import), KEPT_MS)
return bytes
