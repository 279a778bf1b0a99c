--! use clock, record, room, turns, pending_turn, owner
-- Begins a conversation with the first turns of another one, which goes on by itself: neither ever sees the other's turns.
--
-- KEYS[1] anchor
-- ARGV: conversation, the new one, owner, tenant, turns that it begins with ('' all), percent of maxmemory (submit.lua)
-- Returns {answer, number, text}: ok with the number of its turns (also when repeated); unknown; forbidden; taken (the new one
-- exists otherwise); beyond with how many turns there are; pending with the number and the job of a turn that waits for its answer.
-- Cost: O(turns), and their size.
local id, new, owner, tenant = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local n = tonumber(redis.call('HGET', K.conversation(id), 'n') or nil)
if not n then return {'unknown', 0, ''} end
if is_anothers(id, owner, tenant) then return {'forbidden', 0, ''} end
local at = tonumber(ARGV[5]) or n
if at < 1 or at > n then return {'beyond', n, ''} end
local stands = redis.call('HMGET', K.conversation(new), 'n', 'of', 'at')
if stands[1] then
  local same = stands[2] == id and tonumber(stands[3]) == at and tonumber(stands[1]) == at
  return {same and 'ok' or 'taken', at, ''}
end
local turn, job = pending_turn(id)
if turn and tonumber(turn) <= at then return {'pending', tonumber(turn), job} end
local full = lack_of_room(tonumber(ARGV[6]))
if full then return full end

redis.call('COPY', K.turns(id), K.turns(new))
for digest in string.gmatch(redis.call('HGET', K.turns(new), 'media') or '', '%x+') do refer_to_medium(new, digest) end
local bytes, gone = tonumber(redis.call('HGET', K.conversation(id), 'bytes') or 0), {}
for i = at + 1, n do
  local field = int(i)
  gone[#gone + 1] = field
  for _, part in ipairs({'.u', '.a', '.e'}) do
    bytes = bytes - redis.call('HSTRLEN', K.turns(new), field .. part)
    gone[#gone + 1] = field .. part
  end
end
if #gone > 0 then redis.call('HDEL', K.turns(new), unpack(gone)) end
local facts = redis.call('HMGET', K.conversation(id), 'system', 'model', 'window', 'most', 'summed')
redis.call('HSET', K.conversation(new), 'owner', owner, 'tenant', tenant, 'created', now, 'n', int(at), 'bytes', int(bytes),
  'of', id, 'at', int(at))
for i, field in ipairs({'system', 'model', 'window', 'most'}) do
  if facts[i] then redis.call('HSET', K.conversation(new), field, facts[i]) end
end
-- A summary of more turns than the branch has tells of what is not in it.
if facts[5] and tonumber(facts[5]) <= at then
  redis.call('HSET', K.conversation(new), 'summed', facts[5])
else
  redis.call('HDEL', K.turns(new), 'sum')
end
note_use(new)
keep_conversation(new)
return {'ok', at, ''}
