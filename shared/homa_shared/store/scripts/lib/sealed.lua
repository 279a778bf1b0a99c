--! use settings_row
-- Where the fleet's settings require encryption, nothing is accepted in clear, whoever sends it: one process without keys must
-- not write for all to read what the others seal.
-- Gives: in_clear(text), the error to return for a payload that is to be sealed and is not; without_keys(has_keys), the same for
-- whoever is about to put bytes elsewhere and has no keys, `has_keys` being 1 where it has; nil where nothing is amiss.
local SEALED, BYTES = '{"homa.sealed":"', '\0homa sealed 1\0'

local function without_keys(has_keys)
  if setting('encryption') ~= 'required' or has_keys == '1' then return nil end
  return redis.error_reply('CLEAR this fleet requires that payloads are encrypted')
end

local function in_clear(text)
  if text == '' or setting('encryption') ~= 'required' then return nil end
  if string.sub(text, 1, #SEALED) == SEALED or string.sub(text, 1, #BYTES) == BYTES then return nil end
  return without_keys('')
end
