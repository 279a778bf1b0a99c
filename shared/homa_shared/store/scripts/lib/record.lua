--! use clock, events
-- A job's record. Field names are short because millions of records stand in memory; record_fields.py spells them out.
local NUMBERS = FIELDS.numbers

-- What is wrong with a record: a field that must hold a number and holds something else.
local function damage_of(field, text) return field .. (text and ': ' .. beginning(text, 50) or '') end

-- The record as a table (numbers as numbers, absent fields nil), or nil when the store holds none. A field that holds no number
-- where one must stand is absent, and `damage` names it: no new attempt is made of such a job (turn_away.lua).
local function load_record(id)
  local flat = redis.call('HGETALL', K.job(id))
  if #flat == 0 then return nil end
  local r = {}
  for i = 1, #flat, 2 do
    local field, value = flat[i], flat[i + 1]
    if value ~= '' then
      if NUMBERS[field] then
        -- As number_of, in its place: a record has a score of them.
        local number = tonumber(value)
        if number and number - number == 0 then r[field] = number else r.damage = damage_of(field, value) end
      else
        r[field] = value
      end
    end
  end
  r.tn = r.tn or ''
  if r.bn and not number_of(r.bn) then r.bn, r.damage = nil, damage_of('bn', r.bn) end
  if not (r.at and r.tr and r.sq) then
    r.damage = r.damage or damage_of(not r.at and 'at' or not r.tr and 'tr' or 'sq')
    r.at, r.tr, r.sq = r.at or 0, r.tr or 0, r.sq or 0
  end
  return r
end

-- Gives fields of a record new values; null and '' take a field away (an unpriced target has no bound).
local function change(id, r, fields)
  for field, value in pairs(fields) do
    if value == cjson.null or value == '' then
      r[field] = nil
      redis.call('HDEL', K.job(id), field)
    else
      if NUMBERS[field] then r[field] = number_of(value) else r[field] = value end
      redis.call('HSET', K.job(id), field, value)
    end
  end
  if fields.q then redis.call('SADD', K.queues(), fields.q) end
end

-- Adds to a sum in a record; what is no number counts as 0.
local function add_to(id, r, field, by)
  if r[field] then
    r[field] = redis.call('HINCRBY', K.job(id), field, int(by))
  else
    redis.call('HSET', K.job(id), field, int(by))
    r[field] = by
  end
end

local ENDED = C.ENDED_STATES

local function emit(name, id, r, extra)
  publish(name, {job = id, target = r.tg, batch = r.ba, tenant = r.tn, detail = extra, tags = r.tags})
end
