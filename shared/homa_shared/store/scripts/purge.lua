--! flags allow-oom
--! use clock, record, forget
-- Forgets jobs that have ended before their retention does. Ledger and totals stay; so does a job with unresolved cost,
-- which only its record can resolve.
--
-- KEYS[1] anchor
-- ARGV: job…
-- Returns how many were forgotten.
local purged = 0
for _, id in ipairs(ARGV) do
  if forget(id) then purged = purged + 1 end
end
return purged
