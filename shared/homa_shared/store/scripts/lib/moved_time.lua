-- The store's clock as a test has moved it: stands in the place of `time` while `moved_clock` is in force.
local TIME = redis.call('TIME')
local now_us = tonumber(TIME[1]) * 1000000 + tonumber(TIME[2]) + 1000 * tonumber(redis.call('GET', K.moved_by()) or 0)
