--! flags allow-oom
-- Totals of days, or of batches; writes nothing.
--
-- KEYS[1] anchor
-- ARGV: day, first day ('' none), last day ('' none), ''; or batch, '', '', batch ('' the 500 newest)
-- Returns {day or batch, flat totals} per day or batch.
local kind, since, till, one = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local rows = {}

if kind == 'day' then
  for _, day in ipairs(redis.call('SMEMBERS', K.days())) do
    if (since == '' or day >= since) and (till == '' or day <= till) then rows[#rows + 1] = {day, redis.call('HGETALL', K.day(day))} end
  end
  return rows
end

for _, batch in ipairs(one ~= '' and {one} or redis.call('ZREVRANGE', K.batches(), 0, 499)) do
  local flat, totals = redis.call('HGETALL', K.batch(batch)), {}
  for i = 1, #flat, 2 do
    if string.sub(flat[i], 1, 2) == 't.' then
      totals[#totals + 1] = flat[i]
      totals[#totals + 1] = flat[i + 1]
    end
  end
  if #flat > 0 then rows[#rows + 1] = {batch, totals} end
end
return rows
