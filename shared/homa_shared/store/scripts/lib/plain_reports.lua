--! use record, report
-- Reports of good replies that need nothing rare: one call by the running attempt, its usage and price known, no step, no cache.
-- Gives: read_plain_reports(), the answers so far ('' where there is more to it) and the jobs to settle: {id, r, reply, report}.

-- A whole number that no sum is lost by.
local function is_number(value) return type(value) == 'number' and math.abs(value) <= LARGEST end

local function are_numbers(values)
  if values == nil then return true end
  if type(values) ~= 'table' then return false end
  for _, value in pairs(values) do if not is_number(value) then return false end end
  return true
end

local AMOUNTS = {'input', 'output', 'cached', 'written', 'saved'}

-- Whether each field is what the scripts take it for, so that none fails by it in its middle.
local function is_well_formed(report)
  if type(report.worker) ~= 'string' or type(report.target) ~= 'string' then return false end
  if report.terms ~= nil and type(report.terms) ~= 'string' then return false end
  for _, field in ipairs(AMOUNTS) do if report[field] ~= nil and not is_number(report[field]) then return false end end
  local nano = report.nano == nil and 0 or type(report.nano) == 'string' and tonumber(report.nano)
  return is_number(nano) and are_numbers(report.used) and are_numbers(report.limits)
    and are_numbers(report.fees)
end

-- A field that is null is none of the kinds that are asked for.
local function read_good_report(text)
  local known, report = pcall(cjson.decode, text)
  local good = known and type(report) == 'table' and report.outcome == 'succeeded' and report.charge == 'actual'
    and report.health == 'good' and not report.freeze_ms and is_well_formed(report)
  return good and report or nil
end

-- Whether a record says that the same report was taken before.
local function is_repeated(r, attempt, worker)
  return r.st == 'succeeded' and r.wa == attempt and (not r.ww or r.ww == worker)
end

-- Steps, cached replies and messages have their own ways, and so has a reply without a price under a budget. Nodes of flows
-- are kept in the cache, too, and told with the others all the same.
local function is_plain(r, attempt, report)
  return is_running(r, attempt, report.worker) and r.kd ~= 'm' and not ((r.ck and not r.nd) or r.sn or r.sw or r.sx or r.su)
    and (report.nano or not r.bi) and r.ps and r.qs and r.q and r.ln and r.as
end

local function read_plain_reports()
  local answers, jobs, seen = {}, {}, {}
  for i = 1, #ARGV, 4 do
    local id, attempt, report = ARGV[i], tonumber(ARGV[i + 1]), read_good_report(ARGV[i + 3])
    local answer = ''
    if report and not seen[id] then
      local r = load_record(id)
      if r and is_repeated(r, attempt, report.worker) then
        answer = 'ok'
      elseif r and is_plain(r, attempt, report) then
        answer = 'ok'
        jobs[#jobs + 1] = {id = id, r = r, reply = ARGV[i + 2], report = report}
      end
      seen[id] = true
    end
    answers[#answers + 1] = answer
  end
  return answers, jobs
end
