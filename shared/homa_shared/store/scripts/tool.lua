--! flags allow-oom
--! use clock, record
-- The journal of tool calls: begun before the tool runs, done with its result after. A finished call is never repeated;
-- one without a recorded end runs again only where the tool is declared idempotent.
--
-- KEYS[1] anchor
-- ARGV: job, attempt, step, index of the call, `begin`, 1 where idempotent, worker
--       job, attempt, step, index of the call, `end`, result, worker
-- Returns {run}; {done, result}: it has been run before; {unknown}: it was begun, and nobody knows how it ended;
-- {stale}: the attempt is over, or another worker's. An end is recorded even then, for whoever goes on.
local id, attempt, verb, worker = ARGV[1], ARGV[2], ARGV[5], ARGV[7]
local key, field = K.steps(id), ARGV[3] .. '.' .. ARGV[4]
-- Attempt and worker together name who began it: where a failover lost one worker's attempt, another's may have the same
-- number, and its model may have asked for something else.
local me = attempt .. '@' .. worker
local said = redis.call('HGET', key, field)
local by, result = string.match(said or '', '^(%S+) ?(.*)$')
local done = by and string.sub(result, 1, 1) == '='
-- A release before this one wrote the attempt alone.
local mine = by == me or by == attempt
local record = redis.call('HMGET', K.job(id), 'st', 'at', 'wk')

if verb == 'end' then
  if done then return {'done'} end
  -- Nothing is journaled for a job that has ended, or that somebody else has begun.
  if not mine then return {'stale'} end
  redis.call('HSET', key, field, by .. ' =' .. ARGV[6])
  return {'done'}
end
if done then return {'done', string.sub(result, 2)} end
if record[1] ~= 'running' or record[2] ~= attempt or record[3] ~= worker then return {'stale'} end
-- The same attempt asks again only where the first answer was lost on its way.
if by and not mine and ARGV[6] ~= '1' then return {'unknown'} end
redis.call('HSET', key, field, me)
return {'run'}
