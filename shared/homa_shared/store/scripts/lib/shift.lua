--! use clock
-- States of a store whose clock was set back lie in its future: a freeze of seconds would last for as long as the clock was
-- ahead. So each state says when it was last written; where that lies ahead, all its times move back by the difference.
-- Gives: ahead_ms(seen), how far ahead a state is that was last written at that time: 0 as a rule.
local function ahead_ms(seen)
  local ahead = seen and seen - now or 0
  -- Less is a clock that is being disciplined.
  return ahead > 1000 and ahead or 0
end
