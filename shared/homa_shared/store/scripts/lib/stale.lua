-- Requests of a process that carry a nonce, `process-number`; the numbers of a process ascend.
-- Gives: is_stale(nonce, latest): whether the same process has asked again since, so that nobody waits for the answer. One that
-- was sent twice may arrive as late as that.
local function is_stale(nonce, latest)
  local process, number = string.match(nonce, '^(%x+)%-(%d+)$')
  local last_process, last_number = string.match(latest or '', '^(%x+)%-(%d+)$')
  return process and process == last_process and tonumber(number) < tonumber(last_number)
end
