--! flags no-writes
-- Which of Homa's commands the store's user may not run. A script that is refused one in its middle would leave what it had
-- written before: so a user is asked about as a process starts. Writes nothing.
--
-- KEYS[1] anchor
-- ARGV: commands, each as a JSON array with its arguments
-- Returns the names of those that are denied.
-- Cost: O(commands).
local denied = {}
if not redis.acl_check_cmd then return denied end
for _, text in ipairs(ARGV) do
  local command = cjson.decode(text)
  local known, allowed = pcall(redis.acl_check_cmd, unpack(command))
  if known and not allowed then denied[#denied + 1] = command[1] end
end
return denied
