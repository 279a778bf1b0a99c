--! flags allow-oom
-- Totals of days, a portion a call, or of batches; writes nothing.
--
-- KEYS[1] anchor
-- ARGV: day, first day ('' none), last day ('' none), day to go on behind ('' from the first); or batch, '', '', batch
--       ('' the 500 newest)
-- Returns {{day or batch, flat totals} per day or batch, day to go on behind ('' nothing is left)}.
-- Cost: a day, and further ones up to 5000 totals; or the batches'.
local kind, since, till, one = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local rows = {}
-- Most totals that further days may add to the first.
local TOTALS = 5000

if kind == 'day' then
  local days, totals = {}, 0
  for _, day in ipairs(redis.call('SMEMBERS', K.days())) do
    if day > one and day >= since and (till == '' or day <= till) then days[#days + 1] = day end
  end
  table.sort(days)
  for i, day in ipairs(days) do
    totals = totals + redis.call('HLEN', K.day(day))
    if i > 1 and totals > TOTALS then return {rows, days[i - 1]} end
    rows[i] = {day, redis.call('HGETALL', K.day(day))}
  end
  return {rows, ''}
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
return {rows, ''}
