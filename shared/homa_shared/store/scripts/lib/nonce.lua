--! use record, take_call, stale
-- A question of take is told apart by its nonce (stale.lua).
-- Gives: was_answered(), true where nothing may be taken for it any more; the answer then holds what it had before.
local function was_answered()
  local past = redis.call('HMGET', K.worker(asked.worker), 'nonce', 'took', 'looked')
  asked.looked = tonumber(past[3] or nil)
  -- The same question gets the same answer: a reply that was lost on its way strands nothing.
  if past[1] == asked.nonce then
    for id, attempt in string.gmatch(past[2] or '', '(%S+):(%d+)') do
      local r = load_record(id)
      if r and r.st == 'running' and r.at == tonumber(attempt) and r.wk == asked.worker then hand_out(id, r) end
    end
    return true
  end
  -- A stale nonce is ignored: nobody would hear of what it took now.
  return is_stale(asked.nonce, past[1])
end
