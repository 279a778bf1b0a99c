--! use clock, record, backlog, room, turns, pending_turn, accept, owner, first_with_key, sealed
-- Accepts a turn of a conversation and the job that answers it, all or nothing; the first turn begins the conversation.
--
-- KEYS[1] anchor
-- ARGV: conversation, owner, tenant, turns that it is expected to have, percent of maxmemory (submit.lua), what is said anew of
--       it as JSON (fields of its hash, texts), the turn's messages as JSON, job, request, idempotency key and digest
--       (`key digest` or ''), fields of the record that jobs share and those of the job alone, each as JSON, deadline (ms from
--       now; 0 none), due (ms from now; 0 now), its state that the request was made of: `created:rev`, or none ('': whatever it is)
-- Returns {answer, number, text}: ok or known (the key was used before) with '' and the job; conflict (with another request)
-- likewise; forbidden (another's conversation); stale with the number of its turns; moved (as many turns, but one of them has
-- ended or was retried since they were read); pending with the number and the job of the
-- turn that waits for its answer; full with what has no more room and the most of it. Nothing changes unless it is ok; the same
-- job again is ok.
-- Cost: O(log N), plus the size of request and turn.
local id, owner, tenant, expected, facts, messages = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), cjson.decode(ARGV[6]), ARGV[7]
local job, request, key = ARGV[8], ARGV[9], ARGV[10]
local deadline, due = tonumber(ARGV[13]), tonumber(ARGV[14])

if is_anothers(id, owner, tenant) then return {'forbidden', 0, ''} end
local first, same = first_with_key(tenant, key)
if first then return {same and 'known' or 'conflict', 0, first} end
if redis.call('EXISTS', K.job(job)) == 1 then return {'ok', 0, job} end

local stands = redis.call('HMGET', K.conversation(id), 'n', 'most')
local n = tonumber(stands[1] or 0)
if n ~= expected then return {'stale', n, ''} end
local turn, waits_for = pending_turn(id)
if turn then return {'pending', tonumber(turn), waits_for} end
local stood = redis.call('HMGET', K.conversation(id), 'created', 'rev')
local seen = stood[1] and stood[1] .. ':' .. (stood[2] or '0') or 'none'
if ARGV[15] ~= '' and ARGV[15] ~= seen then return {'moved', n, ''} end
local most = tonumber(facts.most or stands[2] or C.MOST_TURNS)
if n >= most then return {'full', most, 'turns'} end
local bytes = tonumber(redis.call('HGET', K.conversation(id), 'bytes') or 0)
if bytes + #messages > C.CONVERSATION_BYTES then return {'full', C.CONVERSATION_BYTES, 'bytes'} end
local full = lack_of_room(tonumber(ARGV[5])) or in_clear(request) or in_clear(messages) or in_clear(facts.system or '')
if full then return full end

turn = int(n + 1)
if n == 0 then redis.call('HSET', K.conversation(id), 'owner', owner, 'tenant', tenant, 'created', now) end
for field, value in pairs(facts) do redis.call('HSET', K.conversation(id), field, value) end
redis.call('HSET', K.conversation(id), 'n', turn, 'pending', turn)
redis.call('HSET', K.turns(id), turn, 'p ' .. job .. ' ' .. int(now), turn .. '.u', messages)
note_change(id, #messages)
refer_to_media(id, messages)
note_use(id)
redis.call('PERSIST', K.conversation(id))
redis.call('PERSIST', K.turns(id))

local fields = new_record(ARGV[11], ARGV[12])
fields.cv = id .. ':' .. turn
if key ~= '' then fields.ik = keep_key(tenant, key, job, due) end
if deadline > 0 then fields.dl = int(now + deadline) end
accept(job, fields, request, due > 0 and now + due or nil)
return {'ok', 0, job}
