-- Digests of what was asked come as a list, `d1,d2`: the same under each key of whoever asks, of which the first is noted.
-- Gives: noted(digests); is_among(digests, digest).
local function noted(digests) return string.match(digests, '^[^,]*') end

local function is_among(digests, digest)
  return digest and string.find(',' .. digests .. ',', ',' .. digest .. ',', 1, true) ~= nil
end
