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
local bytes = 0
local function put(field, text)
  if text == '' then return end
  redis.call('HSET', K.turns(id), field, text)
  refer_to_media(id, text)
  bytes = bytes + #text
end
put('sum', ARGV[4])
bytes = 0
local n = (#ARGV - 4) / 4
for i = 1, n do
  local a, turn = 4 * i, int(i)
  redis.call('HSET', K.turns(id), turn, ARGV[a + 1])
  put(turn .. '.u', ARGV[a + 2])
  put(turn .. '.a', ARGV[a + 3])
  put(turn .. '.e', ARGV[a + 4])
end
for field, value in pairs(facts) do redis.call('HSET', K.conversation(id), field, value) end
redis.call('HSET', K.conversation(id), 'n', int(n), 'bytes', int(bytes), 'created', now)
note_use(id)
keep_conversation(id)
return 'ok'
