-- The store's own clock: whatever clients believe the time to be changes nothing.
local TIME = redis.call('TIME')
local now_us = tonumber(TIME[1]) * 1000000 + tonumber(TIME[2])
