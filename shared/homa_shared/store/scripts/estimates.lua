--! flags allow-oom
--! use clock
-- What replies taught of token estimates, by target.
--
-- KEYS[1] anchor
-- ARGV: none
-- Returns rows {target, quota scope, estimated, actual, replies, missed} of the targets that something is known of.
local rows = {}
for _, name in ipairs(redis.call('SMEMBERS', K.targets())) do
  local v = redis.call('HMGET', K.learned(name), 'estimated', 'actual', 'replies', 'missed')
  if v[3] then
    rows[#rows + 1] = {name, redis.call('HGET', K.target(name), 'quota') or '', v[1] or '0', v[2] or '0', v[3], v[4] or ''}
  end
end
return rows
