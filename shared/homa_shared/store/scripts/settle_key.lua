--! flags allow-oom
--! use clock
-- Replaces the tokens that admit_key.lua counted for a request by those that it took.
-- What it did not take goes back within the minute in which it was counted: after that it stands in nobody's way.
--
-- KEYS[1] anchor
-- ARGV: key, tokens a minute, tokens counted, tokens taken, when they were counted (ms)
-- Returns 1
-- Cost: O(1)
local MINUTE_US = 60000000
local key = K.own('gateway-rate', ARGV[1])
local more_us = (tonumber(ARGV[4]) - tonumber(ARGV[3])) * MINUTE_US / tonumber(ARGV[2])
if more_us < 0 and now_us - tonumber(ARGV[5]) * 1000 > MINUTE_US then return 1 end
local arrival = math.max(now_us, number_of(redis.call('HGET', key, 't')) or 0) + more_us
redis.call('HSET', key, 't', int(math.min(arrival, now_us + MINUTE_US)))
redis.call('PEXPIRE', key, 2 * MINUTE_US / 1000)
return 1
