--! use clock, turns
-- Makes a conversation of turns that were put in the store part by part (import_turns). All or nothing; none is replaced.
--
-- KEYS[1] anchor
-- ARGV: conversation, name of the import, turns, their bytes, fields of its hash as JSON (texts)
-- Returns ok (also when repeated); taken where such a conversation exists; gone where turns are missing.
-- Cost: O(turns), and their size.
local id, import, n = ARGV[1], ARGV[2], ARGV[3]
local stands = redis.call('HMGET', K.conversation(id), 'n', 'import')
if stands[1] then return stands[2] == import and 'ok' or 'taken' end
-- Each is looked for: parts that were put in late begin anew, without those before them.
local numbers = {}
for turn = 1, tonumber(n) do numbers[turn] = int(turn) end
for _, told in ipairs(redis.call('HMGET', K.turns(import), unpack(numbers))) do
  if not told then return 'gone' end
end
redis.call('COPY', K.turns(import), K.turns(id))
redis.call('DEL', K.turns(import))
for digest in string.gmatch(redis.call('HGET', K.turns(id), 'media') or '', '%x+') do refer_to_medium(id, digest) end
for field, value in pairs(cjson.decode(ARGV[5])) do redis.call('HSET', K.conversation(id), field, value) end
redis.call('HSET', K.conversation(id), 'n', n, 'bytes', ARGV[4], 'created', now, 'import', import)
note_use(id)
keep_conversation(id)
return 'ok'
