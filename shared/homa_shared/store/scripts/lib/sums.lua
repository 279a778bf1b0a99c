--! use clock
-- Counters that a script adds to: at once, or folded where several jobs of one script add to the same.
-- A script that breaks off keeps what it wrote. So folded sums are read first, which shows whether the store would take them,
-- and written as one command a key, or as few as take them.
-- Gives: add_at_once(key, field, by), add(key, field, by), read_sums(), write_sums(), require_type(key, type).
local function add_at_once(key, field, by) redis.call('HINCRBY', key, field, int(by)) end

-- By key and field: what is to be added; and the commands that write the new values.
local sums, writes = {}, {}
-- Most fields of one command: Lua passes on some 8000 words at most, and tags alone may come to more.
local MOST_FIELDS = 1000
-- Counters beyond this might pass 64 bits.
local LARGEST_COUNT = 2 ^ 62

local function add(key, field, by)
  if by == 0 then return end
  local fields = sums[key]
  if not fields then
    fields = {}
    sums[key] = fields
  end
  fields[field] = (fields[field] or 0) + by
end

-- What a counter holds; fails where it is none, or might pass what the store counts to.
local function value_of(key, field, text)
  if not text then return 0 end
  local value = string.find(text, '^%-?%d+$') and tonumber(text)
  if not value or math.abs(value) > LARGEST_COUNT then error(key .. ' ' .. field .. ' cannot be counted up: ' .. text) end
  return value
end

-- Reads some counters of a key, and prepares what writes their new values.
local function read_counters(key, fields, names)
  local command = {'HSET', key}
  for i, text in ipairs(redis.call('HMGET', key, unpack(names))) do
    local field, by = names[i], fields[names[i]]
    local sum = value_of(key, field, text) + by
    if math.abs(sum) < LARGEST then
      command[#command + 1], command[#command + 2] = field, int(sum)
    else
      -- The store adds exactly where Lua does not.
      writes[#writes + 1] = {'HINCRBY', key, field, int(by)}
    end
  end
  if #command > 2 then writes[#writes + 1] = command end
end

-- Nothing may change these counters between this and `write_sums`.
local function read_sums()
  for key, fields in pairs(sums) do
    local names = {}
    for field in pairs(fields) do
      if #names == MOST_FIELDS then
        read_counters(key, fields, names)
        names = {}
      end
      names[#names + 1] = field
    end
    read_counters(key, fields, names)
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
