-- A worker's report of an attempt, as JSON (fields: lib/attempt.lua), and what to answer when the attempt is not the
-- running one: a repeated report changes nothing, a late one only corrects what stood unresolved.
local function read_report(text)
  local report = cjson.decode(text)
  for field, value in pairs(report) do
    if value == cjson.null then report[field] = nil end
  end
  return report
end

local function is_running(r, attempt)
  return r and r.st == 'running' and r.at == attempt
end

-- For reports that are no good reply: refused when the attempt is over, but what they say of its cost is kept.
local function refuse(id, r, attempt, report)
  if not r then return 'unknown' end
  if report.charge ~= 'unresolved' then
    if report.charge == 'none' then report.nano = '0' end
    if resolve_attempt(id, r, attempt, report) then return 'late' end
  end
  return 'stale'
end
