--! use clock
-- Counters that a script adds to: at once, or folded where several jobs of one script add to the same.
-- A script that breaks off keeps what it wrote. So folded sums are read first, which shows whether the store would take them,
-- and written as one command a key.
-- Gives: add_at_once(key, field, by), add(key, field, by), read_sums(), write_sums(), require_type(key, type).
local function add_at_once(key, field, by) redis.call('HINCRBY', key, field, int(by)) end

-- By key and field: what is to be added. By key: the command that writes the new values.
local sums, writes = {}, {}

local function add(key, field, by)
  if by == 0 then return end
  local fields = sums[key]
  if not fields then
    fields = {}
    sums[key] = fields
  end
  fields[field] = (fields[field] or 0) + by
end

-- Fails where a counter is none, or beyond what a script can add to without loss.
local function new_value(key, field, before, by)
  local value = before and tonumber(before) or 0
  if before and not string.find(before, '^%-?%d+$') or math.abs(value + by) > LARGEST then
    error(key .. ' ' .. field .. ' cannot be counted up: ' .. tostring(before))
  end
  return int(value + by)
end

-- Nothing may change these counters between this and `write_sums`.
local function read_sums()
  for key, fields in pairs(sums) do
    local names, command = {}, {'HSET', key}
    for field in pairs(fields) do names[#names + 1] = field end
    for i, before in ipairs(redis.call('HMGET', key, unpack(names))) do
      command[2 * i + 1], command[2 * i + 2] = names[i], new_value(key, names[i], before, fields[names[i]])
    end
    writes[#writes + 1] = command
  end
end

local function write_sums()
  for _, command in ipairs(writes) do redis.call(unpack(command)) end
end

-- Fails where a key holds something of another type, which a write would stumble over.
local function require_type(key, expected)
  local found = redis.call('TYPE', key).ok
  if found ~= expected and found ~= 'none' then error(key .. ' is a ' .. found .. ', expected a ' .. expected) end
end
