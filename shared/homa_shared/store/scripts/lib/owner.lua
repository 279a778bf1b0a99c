-- Gives: is_anothers(id, owner, tenant), whether a conversation exists and belongs to another owner or tenant.
local function is_anothers(id, owner, tenant)
  local stands = redis.call('HMGET', K.conversation(id), 'n', 'owner', 'tenant')
  return stands[1] and ((stands[2] or '') ~= owner or (stands[3] or '') ~= tenant)
end
