--! use settings_row
-- Where the fleet's settings require encryption, nothing is accepted in clear, whoever sends it: one process without keys must
-- not write for all to read what the others seal.
-- Gives: in_clear(text), the error to return for a payload that is to be sealed and is not; nil where nothing is amiss.
local SEALED, BYTES = '{"homa.sealed":"', '\0homa sealed 1\0'

local function in_clear(text)
  if setting('encryption') ~= 'required' or text == '' then return nil end
  if string.sub(text, 1, #SEALED) == SEALED or string.sub(text, 1, #BYTES) == BYTES then return nil end
  return redis.error_reply('CLEAR this fleet requires that payloads are encrypted')
end
