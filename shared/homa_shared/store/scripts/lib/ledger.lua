--! use clock, budget, sums
-- The ledger: a line an attempt, and the day's totals by target and tenant, by tag, and by batch. Integer nano-dollars.
-- `line` holds: job, attempt, target, tenant, batch, tags, outcome, requests, input, output, cached, nano, unres, unpriced,
-- saved (by the provider's prompt cache), terms (what it was served on, nil for the standard price), fees (units -> number);
-- a correction also `before`: nano-dollars that count already, and on which terms.
-- Totals of the last two are measures of their own, '~terms' (nano-dollars) and '+unit' (number), which earlier releases pass
-- over.
local MEASURES = C.MEASURES

local function add_on_terms(add, key, prefix, terms, nano)
  if terms and nano ~= 0 then add(key, prefix .. '~' .. terms, nano) end
end

-- `add(key, field, by)` counts at once, or folds what several jobs add.
local function add_totals(add, key, prefix, line)
  for _, measure in ipairs(MEASURES) do
    local amount = line[measure]
    if amount and amount ~= 0 then add(key, prefix .. measure, amount) end
  end
  local before = line.before
  if before then add_on_terms(add, key, prefix, before.terms, -before.nano) end
  add_on_terms(add, key, prefix, line.terms, (line.nano or 0) + (before and before.nano or 0))
  for unit, number in pairs(line.fees or {}) do add(key, prefix .. '+' .. unit, number) end
end

-- Adds a line to the totals of a day and to those of its batch.
local function add_up(add, line, day)
  local key = K.day(day)
  add_totals(add, key, line.target .. '|' .. line.tenant .. '|', line)
  for tag in string.gmatch(line.tags or '', '[^\n]+') do add_totals(add, key, '#' .. tag .. '|', line) end
  if line.batch then add_totals(add, K.batch(line.batch), 't.', line) end
end

local function write_line(line)
  redis.call('XADD', K.ledger(), '*', 'job', line.job, 'attempt', line.attempt, 'target', line.target, 'tenant', line.tenant,
    'batch', line.batch or '', 'outcome', line.outcome, 'input', int(line.input or 0), 'output', int(line.output or 0),
    'cached', int(line.cached or 0), 'nano', int(line.nano or 0), 'unres', int(line.unres or 0), 'unpriced', int(line.unpriced or 0),
    'saved', int(line.saved or 0), unpack(line.terms and {'terms', line.terms} or {}))
end

-- Writes a line and adds it to the totals of the day that `at_ms` lies in (a correction belongs to the attempt's day).
local function enter(line, at_ms)
  write_line(line)
  local day = day_name(at_ms)
  redis.call('SADD', K.days(), day)
  add_up(add_at_once, line, day)
end
