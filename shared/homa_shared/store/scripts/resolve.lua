--! flags allow-oom
--! use clock, record, backlog, ending, attempt
-- Settles by hand an attempt whose cost nobody knew: what a person read in the provider's bill replaces what stood
-- unresolved, in ledger, budgets, batch and record.
--
-- KEYS[1] anchor
-- ARGV: job, attempt, nano-dollars, note (JSON)
-- Returns ok, or stale when nothing is unresolved there (it was resolved before, or never was), or unknown.
local id, attempt = ARGV[1], tonumber(ARGV[2])
local r = load_record(id)
if not r then return 'unknown' end
if not resolve_attempt(id, r, attempt, {outcome = 'resolved', nano = ARGV[3], note = ARGV[4]}) then return 'stale' end
emit('job.resolved', id, r, 'attempt ' .. int(attempt))
return 'ok'
