-- What most scripts need of the fleet's settings: one read a script, at the first need.
-- Gives: setting(place), false where the settings say nothing.
local KEEP_RESULTS, KEEP_REQUESTS, EVENTS_KEPT, EVENTS_OFF = 1, 2, 3, 4
local settings_row = nil

local function setting(place)
  settings_row = settings_row or redis.call('HMGET', K.config(), 'keep.results', 'keep.requests', 'events.kept', 'events.off')
  return settings_row[place]
end
