--! flags allow-oom
--! use clock, record, backlog, ending, attempt, report, follow, restore_attempt
-- The end of a job without a good reply: failed (kept as dead), cancelled or expired, by its running attempt.
--
-- KEYS[1] anchor
-- ARGV: job, attempt, state, error envelope JSON, report JSON, detail for the event
-- Returns ok, stale (the attempt is not the running one; nothing changed), late (only its cost was corrected), unknown.
local id, attempt, state = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local report = read_report(ARGV[5])
local r = load_record(id)
if forgotten(r, attempt) then restore_attempt(id, r, attempt, report.worker or '', report.by) end
if not is_running(r, attempt, report.worker) then return refuse(id, r, attempt, report) end
end_attempt(id, r, report)
end_job(id, r, state, ARGV[4], ARGV[6])
after_failure(id, r)
return 'ok'
