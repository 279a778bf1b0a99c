--! flags allow-oom
--! use clock
-- How many jobs failed, expired or were cancelled lately; writes nothing.
--
-- KEYS[1] anchor
-- ARGV[1] since how long ago, ms
-- Returns {failed, expired, cancelled, all of them}: the first three of the latest LOOKS, the last one whole.
-- Cost: O(log(jobs) + LOOKS), however many ended.
local LOOKS = 500
local since = now - tonumber(ARGV[1])
local count = {failed = 0, expired = 0, cancelled = 0}
for _, id in ipairs(redis.call('ZREVRANGEBYSCORE', K.ended(), '+inf', since, 'LIMIT', 0, LOOKS)) do
  local state = redis.call('HGET', K.job(id), 'st')
  if state and count[state] then count[state] = count[state] + 1 end
end
return {count.failed, count.expired, count.cancelled, redis.call('ZCOUNT', K.ended(), since, '+inf')}
