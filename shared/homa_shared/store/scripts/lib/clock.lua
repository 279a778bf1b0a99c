--! use time
local now = math.floor(now_us / 1000)

-- Lua's `..` prints large numbers in exponent form; every number that becomes part of a string goes through here. The sum
-- makes a plain zero of minus zero, which the store takes for no number. What no double tells apart from its neighbours is
-- cut there: the store counts in 64 bits, and a script that breaks off for more would leave its work half done.
local LARGEST = 2 ^ 53
local in_digits, at_least, at_most = string.format, math.max, math.min
local function int(x)
  if x == 0 then return '0' end
  return in_digits('%.0f', at_least(-LARGEST, at_most(LARGEST, x + 0)))
end

-- A value as a number; nil where it is none, NaN or infinity.
local function number_of(value)
  local number = tonumber(value or nil)
  return number and number - number == 0 and number or nil
end

-- The beginning of a text, of so many bytes at most, that ends with a whole letter: half of one no reader of UTF-8 takes.
local function beginning(text, most)
  local last = math.min(#text, most)
  -- Bytes of a letter behind its first one begin with the bits 10.
  while last > 0 and last < #text and math.floor(string.byte(text, last + 1) / 64) == 2 do last = last - 1 end
  return string.sub(text, 1, last)
end

local DAY_MS = 86400000

-- Proleptic Gregorian date of a time in ms (UTC): year, month, day. Source: H. Hinnant, days-from-civil, inverted.
local function date(ms)
  local z = math.floor(ms / DAY_MS) + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  return yoe + era * 400 + (month <= 2 and 1 or 0), month, doy - math.floor((153 * mp + 2) / 5) + 1
end

local function day_name(ms)
  local y, m, d = date(ms)
  return string.format('%04d-%02d-%02d', y, m, d)
end

-- Start of the next day or month (UTC, ms): when a budget's period turns.
local function period_end(period, ms)
  local midnight = (math.floor(ms / DAY_MS) + 1) * DAY_MS
  if period == 'day' then return midnight end
  if period ~= 'month' then return nil end
  local _, month = date(ms)
  while true do
    local _, m = date(midnight)
    if m ~= month then return midnight end
    midnight = midnight + DAY_MS
  end
end
