--! use clock, room, turns
-- Puts a conversation in the store that was exported from this one or another. All or nothing; none is replaced.
--
-- KEYS[1] anchor
-- ARGV: conversation, percent of maxmemory (submit.lua), fields of its hash as JSON (texts), summary ('' none), then per turn:
--       what is told of it, messages, reply, error ('' none)
-- Returns ok; taken where such a conversation exists.
-- Cost: O(turns), and their size.
local id, facts = ARGV[1], cjson.decode(ARGV[3])
if redis.call('EXISTS', K.conversation(id)) == 1 then return 'taken' end
local full = lack_of_room(tonumber(ARGV[2]))
if full then return full end
local n, bytes, row = (#ARGV - 4) / 4, 0, {}
-- Fields written by one command.
local FIELDS_AT_ONCE = 400
local function flush()
  if #row > 0 then redis.call('HSET', K.turns(id), unpack(row)) end
  row = {}
end
local function put(field, text)
  row[#row + 1], row[#row + 2] = field, text
  if #row >= FIELDS_AT_ONCE then flush() end
end
for i = 1, n do
  local a, turn = 4 * i, int(i)
  put(turn, ARGV[a + 1])
  for j, part in ipairs({'.u', '.a', '.e'}) do
    local text = ARGV[a + 1 + j]
    if text ~= '' then put(turn .. part, text) end
    bytes = bytes + #text
  end
end
if ARGV[4] ~= '' then put('sum', ARGV[4]) end
flush()
for i = 4, #ARGV do refer_to_media(id, ARGV[i]) end
for field, value in pairs(facts) do redis.call('HSET', K.conversation(id), field, value) end
redis.call('HSET', K.conversation(id), 'n', int(n), 'bytes', int(bytes), 'created', now)
note_use(id)
keep_conversation(id)
return 'ok'
