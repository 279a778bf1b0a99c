--! use clock, room, schedule
-- Runs that wait for the one before them (overlap `queue`). They start when that one has ended; what keeps them then, a pause
-- or a store without room, is looked at again by the watch over runs.
-- Gives: start_queued(id, s, percent), {tick, run} of the one that was started, nil where none was; queue_soon(id, at).

-- The watch comes back to a schedule whose runs wait.
local function queue_soon(id, at) redis.call('ZADD', K.schedule_watch(), at, id .. ':0 queue') end

-- The run that has waited longest; nothing happens while another one goes on, or the schedule is paused.
local function start_queued(id, s, percent)
  if s.state == 'paused' or redis.call('EXISTS', K.schedule_queue(id)) == 0 then return nil end
  local live = s.live and run_of(id, tonumber(s.live))
  if live and goes_on(id, tonumber(s.live), live) then return nil end
  if lack_of_room(percent) then
    queue_soon(id, now + 1000)
    return nil
  end
  local tick = tonumber(redis.call('ZPOPMIN', K.schedule_queue(id))[1])
  local run = run_of(id, tick)
  if run then
    start_run(id, s, tick, run)
    run.gen = nil
    put_run(id, tick, run)
    redis.call('HSET', K.schedule(id), 'live', int(tick))
    redis.call('HINCRBY', K.schedule(id), 'n.fired', 1)
  end
  if redis.call('EXISTS', K.schedule_queue(id)) == 0 then redis.call('DEL', K.schedule_definitions(id)) end
  return run and {tick, run}
end
