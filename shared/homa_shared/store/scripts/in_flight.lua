--! flags allow-oom
--! use clock
-- What calls in flight have reserved, by quota scope; writes nothing.
--
-- KEYS[1] anchor
-- ARGV: most leases to look at
-- Returns {looked at, leases, rows}; a row is {scope, calls, total tokens, input tokens, output tokens}. Where there are more
-- leases than were looked at, the rows are of those that run out first. Cost: O(most).
local most = tonumber(ARGV[1])
local names = redis.call('ZRANGE', K.leases(), 0, most - 1)
local rows, scopes = {}, {}
for _, name in ipairs(names) do
  local id = string.match(name, '^(.*):%d+$') or ''
  local v = redis.call('HMGET', K.job(id), 'qs', 'rt', 'ri', 'ro', 'xt', 'sw')
  -- Between two steps of a job nothing is reserved but its slot.
  if v[1] and not v[6] then
    local row = scopes[v[1]]
    if not row then
      row = {v[1], 0, 0, 0, 0}
      scopes[v[1]], rows[#rows + 1] = row, row
    end
    row[2] = row[2] + 1
    for i = 2, 4 do row[i + 1] = row[i + 1] + (number_of(v[i]) or 0) end
    row[4] = row[4] - (number_of(v[5]) or 0)
  end
end
return {#names, redis.call('ZCARD', K.leases()), rows}
