--! flags allow-oom
--! use clock, record, turns, pending_turn
-- A conversation and some of its turns, the latest last. A turn whose job has ended without closing it is closed first.
--
-- KEYS[1] anchor
-- ARGV: conversation, number of the last turn wanted (0: the latest), most turns
-- Returns {fields of its hash, summary or '', number of the first turn given, {told, messages, reply, error} for each}; false
-- where there is none.
-- Cost: O(turns given).
local id, last, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if redis.call('EXISTS', K.conversation(id)) == 0 then return false end
pending_turn(id)
local n = tonumber(redis.call('HGET', K.conversation(id), 'n') or 0)
if last <= 0 or last > n then last = n end
local from = math.max(1, last - most + 1)
local rows = {}
for i = from, last do
  local turn = int(i)
  local row = redis.call('HMGET', K.turns(id), turn, turn .. '.u', turn .. '.a', turn .. '.e')
  for j = 1, 4 do row[j] = row[j] or '' end
  rows[#rows + 1] = row
end
return {redis.call('HGETALL', K.conversation(id)), redis.call('HGET', K.turns(id), 'sum') or '', from, rows}
