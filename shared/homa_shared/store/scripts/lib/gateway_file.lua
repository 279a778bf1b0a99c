--! use clock
-- Files of the gateway. Gives: index_row(created, id), under which a file or a batch stands in its tenant's index;
-- put_file(id, fields, tenant, listed, expires), which makes one whose parts are listed; drop_file(id), false where a batch
-- reads it; read_no_more(id).

-- Rows sort as their times do.
local function index_row(created, id) return string.format('%015.0f ', created) .. id end

-- A file that nobody drops or that never expires is in no index of ends.
local function put_file(id, fields, tenant, listed, expires)
  local flat = {'tenant', tenant, 'created', now, 'readers', 0}
  for field, value in pairs(fields) do flat[#flat + 1], flat[#flat + 2] = field, value end
  if expires then flat[#flat + 1], flat[#flat + 2] = 'expires', expires end
  redis.call('HSET', K.gateway_file(id), unpack(flat))
  if listed then redis.call('ZADD', K.gateway_files(tenant), 0, index_row(now, id)) end
  if expires then
    redis.call('ZADD', K.gateway_file_ends(), expires, id)
  else
    redis.call('ZREM', K.gateway_file_ends(), id)
  end
end

-- Its parts are deleted by whoever sweeps next, who finds it among the ends.
local function drop_file(id)
  local v = redis.call('HMGET', K.gateway_file(id), 'tenant', 'created', 'readers')
  if v[1] and tonumber(v[3] or 0) > 0 then return false end
  if v[1] then redis.call('ZREM', K.gateway_files(v[1]), index_row(tonumber(v[2]), id)) end
  redis.call('DEL', K.gateway_file(id), K.gateway_file_parts(id))
  redis.call('ZADD', K.gateway_file_ends(), now, id)
  return true
end

local function read_no_more(id)
  local key = K.gateway_file(id)
  if redis.call('EXISTS', key) == 0 then return end
  redis.call('HINCRBY', key, 'readers', -1)
  -- A file that was made for one batch goes with it.
  if redis.call('HGET', key, 'purpose') == 'requests' then drop_file(id) end
end
