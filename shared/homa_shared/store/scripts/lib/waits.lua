--! use clock
-- What held a job, for people who ask when the wait is over: a line `ms kind name` for each kind and name, in its record until an
-- attempt has failed, then in the history of that attempt.
-- Gives: Waits.add(told, ms, by), the lines with a wait added, `by` being `kind name`; Waits by which others tell of theirs.
local Waits = {}

function Waits.add(told, ms, by)
  -- Of a long batch nearly every line has waited once, for one thing.
  if not told then return int(ms) .. ' ' .. by end
  local lines, before = {}, 0
  for line in string.gmatch(told, '[^\n]+') do
    local past, what = string.match(line, '^(%d+) (.*)$')
    if what == by then before = before + tonumber(past) else lines[#lines + 1] = line end
  end
  lines[#lines + 1] = int(before + ms) .. ' ' .. by
  return table.concat(lines, '\n')
end
