--! use clock, record, backlog, room, turns, accept, first_with_key, sealed
-- Accepts the job that sums up the turns which a conversation's window leaves out. Its reply becomes the conversation's summary
-- when the job ends, unless a later one has.
--
-- KEYS[1] anchor
-- ARGV: conversation, tenant, number of the last turn that is summed up, turns that the conversation is expected to have at
--       least, percent of maxmemory (submit.lua), job, request, idempotency key and digest (`key digest`), fields of the record
--       that jobs share and those of the job alone, each as JSON
-- Returns the job that sums up so many turns; '' where the conversation is gone, or has such a summary.
local id, tenant, upto = ARGV[1], ARGV[2], tonumber(ARGV[3])
local stands = redis.call('HMGET', K.conversation(id), 'n', 'summed')
if not stands[1] or tonumber(stands[1]) < tonumber(ARGV[4]) or tonumber(stands[2] or 0) >= upto then return '' end
-- The digest names one conversation: another one that had this name before had summaries of its own.
local first, same = first_with_key(tenant, ARGV[8])
if first and same then return first end
local full = lack_of_room(tonumber(ARGV[5])) or in_clear(ARGV[7])
if full then return full end
local job = ARGV[6]
if redis.call('EXISTS', K.job(job)) == 1 then return job end
redis.call('HSET', K.conversation(id), 'summing', job)
local fields = new_record(ARGV[9], ARGV[10])
fields.cv = id .. ':s' .. int(upto)
fields.ik = keep_key(tenant, ARGV[8], job, 0)
accept(job, fields, ARGV[7])
return job
