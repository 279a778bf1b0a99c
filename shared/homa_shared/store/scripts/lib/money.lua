--! use clock
-- Money for people, as model/money.py writes it: dollars, exact, with at least two places.
-- Gives: usd(nano), '$0.0002' of nano-dollars.
local NANO_PER_USD = 1000000000

local function usd(nano)
  local amount = tonumber(nano)
  local whole = math.floor(math.abs(amount) / NANO_PER_USD)
  local places = string.gsub(string.format('%09.0f', math.abs(amount) - whole * NANO_PER_USD), '0+$', '')
  return (amount < 0 and '-$' or '$') .. int(whole) .. '.' .. places .. string.rep('0', 2 - #places)
end
