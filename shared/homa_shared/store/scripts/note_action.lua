--! flags allow-oom
--! use clock
-- Appends an action of people to the audit trail, if nobody else has since its last entry was read: each entry bears the
-- digest of the one before.
--
-- KEYS[1] anchor
-- ARGV: nonce of the action, digest that the last entry is expected to have (`?` to be told), then names and values of
--   the entry
-- Returns its id where it was appended, now or by an earlier try with this nonce; else the last entry's digest (empty for
--   none) and the time (ms).
-- Cost: O(1).
local LOOKED_AT = 64

local last
for _, entry in ipairs(redis.call('XREVRANGE', K.audit(), '+', '-', 'COUNT', LOOKED_AT)) do
  local said = {}
  for i = 1, #entry[2], 2 do said[entry[2][i]] = entry[2][i + 1] end
  if said.nonce == ARGV[1] then return entry[1] end
  last = last or said.digest
end
if ARGV[2] ~= (last or '') then return {last or '', now} end
return redis.call('XADD', K.audit(), '*', unpack(ARGV, 3))
