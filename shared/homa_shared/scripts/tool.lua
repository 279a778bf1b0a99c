--! flags allow-oom
--! use clock, record
-- The journal of tool calls: begun before the tool runs, done with its result after. A finished call is never repeated;
-- one without a recorded end runs again only where the tool is declared idempotent.
--
-- KEYS[1] anchor
-- ARGV: job, attempt, step, index of the call, `begin`, 1 where idempotent
--       job, attempt, step, index of the call, `end`, result
-- Returns {run}; {done, result}: it has been run before; {unknown}: it was begun, and nobody knows how it ended;
-- {stale}: the attempt is over. An end is recorded even then, for whoever goes on.
local id, attempt, verb = ARGV[1], ARGV[2], ARGV[5]
local key, field = K.steps(id), ARGV[3] .. '.' .. ARGV[4]
local said = redis.call('HGET', key, field)
local by, result = string.match(said or '', '^(%d+) ?(.*)$')
local done = by and string.sub(result, 1, 1) == '='
local record = redis.call('HMGET', K.job(id), 'st', 'at')

if verb == 'end' then
  -- Nothing is journaled for a job that has ended, or was never begun.
  if not by or done then return {done and 'done' or 'stale'} end
  redis.call('HSET', key, field, by .. ' =' .. ARGV[6])
  return {'done'}
end
if done then return {'done', string.sub(result, 2)} end
if record[1] ~= 'running' or record[2] ~= attempt then return {'stale'} end
-- The same attempt asks again only where the first answer was lost on its way.
if by and by ~= attempt and ARGV[6] ~= '1' then return {'unknown'} end
redis.call('HSET', key, field, attempt)
return {'run'}
