--! flags allow-oom
-- Deletes a version of a prompt template, or all of them. Its numbers are not given again.
--
-- KEYS[1] anchor
-- ARGV: name, version ('': all)
-- Returns how many versions were deleted; at most as many as it had are looked at.
local key = K.prompt(ARGV[1])
local left, deleted = 0, 0
for _, field in ipairs(redis.call('HKEYS', key)) do
  local version = tonumber(field)
  if version and (ARGV[2] == '' or field == ARGV[2]) then
    redis.call('HDEL', key, field)
    redis.call('DEL', K.prompt_answers(ARGV[1] .. '@' .. field))
    deleted = deleted + 1
  elseif version and version > left then
    left = version
  end
end
if deleted == 0 then return 0 end
if left == 0 then
  redis.call('HDEL', key, 'current', 'digest', 'stands')
  redis.call('SREM', K.prompts(), ARGV[1])
elseif redis.call('HEXISTS', key, redis.call('HGET', key, 'current')) == 0 then
  -- The newest that is left stands; putting what it says makes a version of its own.
  redis.call('HSET', key, 'current', left, 'stands', redis.call('HGET', key, left), 'digest', '')
end
return deleted
