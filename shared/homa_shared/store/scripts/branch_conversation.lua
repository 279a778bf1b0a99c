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

local bytes = 0
local function copy(field)
  local text = redis.call('HGET', K.turns(id), field)
  if not text then return 0 end
  redis.call('HSET', K.turns(new), field, text)
  refer_to_media(new, text)
  return #text
end

for i = 1, at do
  local field = int(i)
  copy(field)
  bytes = bytes + copy(field .. '.u') + copy(field .. '.a') + copy(field .. '.e')
end
local facts = redis.call('HMGET', K.conversation(id), 'system', 'model', 'window', 'most', 'summed')
redis.call('HSET', K.conversation(new), 'owner', owner, 'tenant', tenant, 'created', now, 'n', int(at), 'bytes', int(bytes),
  'of', id, 'at', int(at))
for i, field in ipairs({'system', 'model', 'window', 'most'}) do
  if facts[i] then redis.call('HSET', K.conversation(new), field, facts[i]) end
end
-- A summary of more turns than the branch has tells of what is not in it.
if facts[5] and tonumber(facts[5]) <= at then
  copy('sum')
  redis.call('HSET', K.conversation(new), 'summed', facts[5])
end
note_use(new)
keep_conversation(new)
return {'ok', at, ''}
