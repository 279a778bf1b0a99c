--! flags allow-oom
--! use clock
-- Counts a request against the rate of a key of the gateway, where there is room for it.
-- A GCRA each for requests and tokens (limiter.lua) whose burst is a whole minute: nobody is to be held back who was quiet.
-- Sent again after a lost reply it counts twice, which slows the key for a moment.
--
-- KEYS[1] anchor
-- ARGV: key, requests a minute (0 no bound), tokens a minute (0 no bound), tokens
-- Returns {ms until there is room (0: it was counted), now (ms), tokens counted, requests left, ms until all are there again,
--         tokens left, ms until all are there again}
-- Cost: O(1)
local MINUTE_US = 60000000
local key = K.own('gateway-rate', ARGV[1])
local stored = redis.call('HMGET', key, 'r', 't')
local dimensions = {
  {field = 'r', limit = tonumber(ARGV[2]), amount = 1, arrival = stored[1]},
  -- One larger than a minute's tokens waits for all of them, and takes no more.
  {field = 't', limit = tonumber(ARGV[3]), amount = math.min(tonumber(ARGV[4]), tonumber(ARGV[3])), arrival = stored[2]},
}

local wait_us = 0
for _, d in ipairs(dimensions) do
  -- The upper bound holds where the clock was set back.
  d.arrival = math.max(now_us, math.min(number_of(d.arrival) or 0, now_us + MINUTE_US))
  d.debit = d.limit > 0 and d.amount * MINUTE_US / d.limit or 0
  -- A microsecond is what rounding may take.
  if d.limit > 0 then wait_us = math.max(wait_us, d.arrival + d.debit - MINUTE_US - now_us - 1) end
end

local answer = {math.ceil(wait_us / 1000), now, dimensions[2].amount}
for _, d in ipairs(dimensions) do
  if wait_us <= 0 and d.limit > 0 then
    d.arrival = d.arrival + d.debit
    redis.call('HSET', key, d.field, int(d.arrival))
    redis.call('PEXPIRE', key, 2 * MINUTE_US / 1000)
  end
  local used_us = d.arrival - now_us
  answer[#answer + 1] = math.floor((MINUTE_US - used_us) * d.limit / MINUTE_US + 0.001)
  answer[#answer + 1] = math.ceil(used_us / 1000)
end
return answer
