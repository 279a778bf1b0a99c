--! use clock
-- Turns of conversations. A turn is told by one field, `state job accepted ended` with state p (pending: its job lives), a
-- (answered) or f (failed); its messages, its reply and its error stand beside it as they were written. The job's field cv
-- names the turn, and whatever ends the job closes it in the same step.
-- Gives: close_turn(id, r, state, text), for job r that has ended with this outcome; keep_conversation(id); conversations_kept(), ms;
-- media_in(text), digests; refer_to_media(id, text), for what stands in a conversation; refer_to_medium(id, digest);
-- note_change(id, bytes).

local function conversations_kept()
  return math.max(1, number_of(redis.call('HGET', K.config(), 'keep.conversations')) or C.CONVERSATIONS_KEPT_MS)
end

-- A turn that waits for its answer keeps its conversation, however long it waits; without one its retention begins.
local function keep_conversation(id)
  local kept = int(conversations_kept())
  for _, key in ipairs({K.conversation(id), K.turns(id)}) do redis.call('PEXPIRE', key, kept) end
end

local function note_use(id)
  redis.call('HSET', K.conversation(id), 'used', now)
  redis.call('ZADD', K.conversations(), now, id)
end

-- Notes that turns have changed, by so many bytes: what was read of them before is not what there is. Read and written, since a
-- script that breaks off at what is no number would leave its work half done.
local function note_change(id, by)
  local v = redis.call('HMGET', K.conversation(id), 'bytes', 'rev')
  redis.call('HSET', K.conversation(id), 'bytes', int((number_of(v[1]) or 0) + by), 'rev', int((number_of(v[2]) or 0) + 1))
end

-- Media live as long as a key that refers to them. What nobody has uploaded is only a text that looks like a reference. The turns
-- name those that they show, for their branches.
local function refer_to_medium(id, digest)
  if redis.call('HEXISTS', K.media_places(), digest) == 0 then return end
  redis.call('SADD', K.media_users(digest), string.sub(K.turns(id), #P + 1))
  local known = redis.call('HGET', K.turns(id), 'media') or ''
  if not string.find(known, digest, 1, true) then redis.call('HSET', K.turns(id), 'media', known .. digest .. ' ') end
end

-- Digests of what a text refers to.
local function media_in(text)
  -- Plain searches, which are fast: a pattern would be tried at each letter.
  local digests, from = {}, 1
  while true do
    local _, stop = string.find(text, 'homa:sha256:', from, true)
    if not stop then break end
    digests[#digests + 1] = string.match(text, '^%x*', stop + 1)
    from = stop + 1
  end
  -- The body of a large reply: within a text its quotes would be escaped.
  local _, stop = string.find(text, '"body_at":"', 1, true)
  if stop then digests[#digests + 1] = string.match(text, '^%x*', stop + 1) end
  return digests
end

local function refer_to_media(id, text)
  for _, digest in ipairs(media_in(text)) do refer_to_medium(id, digest) end
end

-- A reply that refers to an equal job's is replaced by that.
local function whole_reply(r, text)
  if not r.ck or string.find(text, '"body":', 1, true) or string.find(text, '"body_at":', 1, true) then return text end
  local known, told = pcall(cjson.decode, text)
  local source = known and type(told) == 'table' and told.cached
  return type(source) == 'string' and redis.call('GET', K.reply(source)) or text
end

local function keep_summary(id, job, upto, text)
  local told = redis.call('HMGET', K.conversation(id), 'summing', 'summed')
  if told[1] ~= job or (number_of(told[2]) or 0) >= upto then return end
  redis.call('HSET', K.turns(id), 'sum', text)
  redis.call('HSET', K.conversation(id), 'summed', int(upto))
  redis.call('HDEL', K.conversation(id), 'summing')
  refer_to_media(id, text)
end

local function close_turn(id, r, state, text)
  local conversation, summary, turn = string.match(r.cv, '^(.*):(s?)(%d+)$')
  if not conversation then return end
  if state == 'succeeded' then text = whole_reply(r, text) end
  if summary == 's' then
    if state == 'succeeded' then keep_summary(conversation, id, tonumber(turn), text) end
    return
  end
  -- A conversation that was deleted, or begun anew under its name, knows nothing of this job.
  local told = redis.call('HGET', K.turns(conversation), turn)
  if not told or string.sub(told, 1, #id + 3) ~= 'p ' .. id .. ' ' then return end
  local mark, field = 'f', '.e'
  if state == 'succeeded' then mark, field = 'a', '.a' end
  redis.call('HSET', K.turns(conversation), turn, mark .. string.sub(told, 2) .. ' ' .. int(now), turn .. field, text)
  redis.call('HDEL', K.conversation(conversation), 'pending')
  note_change(conversation, #text)
  refer_to_media(conversation, text)
  note_use(conversation)
  keep_conversation(conversation)
end
