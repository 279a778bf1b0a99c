--! use settings_row
-- Where the fleet's settings require encryption, nothing is accepted in clear, whoever sends it: one process without keys must
-- not write for all to read what the others seal.
-- Gives: in_clear(text), the error to return for a payload that is to be sealed and is not; nil where nothing is amiss.
local SEALED = '{"homa.sealed":"'

local function in_clear(text)
  if setting('encryption') ~= 'required' or text == '' or string.sub(text, 1, #SEALED) == SEALED then return nil end
  return redis.error_reply('CLEAR this fleet requires that payloads are encrypted')
end
