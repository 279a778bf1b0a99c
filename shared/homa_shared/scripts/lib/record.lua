-- A job's record. Field names are short because a million records stand in memory; records.py spells them out.
local FIELDS = {
  'v', 'st', 'kd', 'q', 'ln', 'tg', 'tn', 'sq', 'at', 'tr', 'mx', 'dl', 'px', 'rt', 'ri', 'ro', 'bn', 'jb', 'ba', 'ci',
  'tags', 'cx', 'oa', 'sl', 'fb', 'ck', 'co', 'un', 'sb', 'wk', 'as', 'ps', 'qs', 'tt', 'bi', 'due', 'why', 'en', 'wa',
}

local NUMBERS = {}
for _, f in ipairs({'v', 'sq', 'at', 'tr', 'mx', 'dl', 'px', 'rt', 'ri', 'ro', 'jb', 'sl', 'fb', 'co', 'un', 'sb', 'as', 'due', 'en', 'wa'}) do
  NUMBERS[f] = true
end

-- The record as a table (numbers as numbers, absent fields nil), or nil when the store holds none.
local function load_record(id)
  local values = redis.call('HMGET', K.job(id), unpack(FIELDS))
  if not values[2] then return nil end
  local r = {}
  for i, field in ipairs(FIELDS) do
    local value = values[i]
    if value then r[field] = NUMBERS[field] and tonumber(value) or value end
  end
  return r
end

local ENDED = {succeeded = true, failed = true, cancelled = true, expired = true}

local function emit(name, id, r, extra)
  redis.call('XADD', K.events(), 'MAXLEN', '~', 100000, '*', 'event', name, 'job', id, 'target', r.tg or '', 'batch', r.ba or '',
    'tenant', r.tn or '', 'detail', extra or '')
end
