--! use clock, turns
-- Gives: retry_turn(cv, old, id), which has a failed turn, or a summary, wait for the job that retries another; returns why not.
local function retry_turn(cv, old, id)
  local conversation, summary, turn = string.match(cv, '^(.*):(s?)(%d+)$')
  local n = conversation and redis.call('HGET', K.conversation(conversation), 'n')
  if not n then return 'conversation gone' end
  if summary == 's' then
    redis.call('HSET', K.conversation(conversation), 'summing', id)
    return nil
  end
  local told = redis.call('HGET', K.turns(conversation), turn)
  if not told or string.sub(told, 1, #old + 3) ~= 'f ' .. old .. ' ' then return 'conversation gone' end
  -- The turns behind were asked and answered without it.
  if n ~= turn then return 'conversation went on' end
  local failed = redis.call('HGET', K.turns(conversation), turn .. '.e') or ''
  redis.call('HDEL', K.turns(conversation), turn .. '.e')
  redis.call('HSET', K.turns(conversation), turn, 'p ' .. id .. ' ' .. int(now))
  redis.call('HSET', K.conversation(conversation), 'pending', turn)
  note_change(conversation, -#failed)
  note_use(conversation)
  redis.call('PERSIST', K.conversation(conversation))
  redis.call('PERSIST', K.turns(conversation))
  return nil
end
