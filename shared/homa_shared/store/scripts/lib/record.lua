--! use clock, events
-- A job's record. Field names are short because millions of records stand in memory; record_fields.py spells them out.
local NUMBERS = FIELDS.numbers

-- The record as a table (numbers as numbers, absent fields nil), or nil when the store holds none.
local function load_record(id)
  local flat = redis.call('HGETALL', K.job(id))
  if #flat == 0 then return nil end
  local r = {}
  for i = 1, #flat, 2 do
    local field, value = flat[i], flat[i + 1]
    if value ~= '' then r[field] = NUMBERS[field] and tonumber(value) or value end
  end
  r.tn = r.tn or ''
  return r
end

-- Gives fields of a record new values; null and '' take a field away (an unpriced target has no bound).
local function change(id, r, fields)
  for field, value in pairs(fields) do
    if value == cjson.null or value == '' then
      r[field] = nil
      redis.call('HDEL', K.job(id), field)
    else
      r[field] = NUMBERS[field] and tonumber(value) or value
      redis.call('HSET', K.job(id), field, value)
    end
  end
  if fields.q then redis.call('SADD', K.queues(), fields.q) end
end

local ENDED = C.ENDED_STATES

local function emit(name, id, r, extra)
  publish(name, {job = id, target = r.tg, batch = r.ba, tenant = r.tn, detail = extra, tags = r.tags})
end
