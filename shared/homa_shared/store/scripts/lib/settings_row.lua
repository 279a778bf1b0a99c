--! use clock
-- What most scripts need of the fleet's settings: one read a script, at the first need.
-- Gives: setting(name), false where the settings say nothing.
local SETTINGS = {'keep.results', 'keep.requests', 'keep.keys', 'keep.ledger', 'unresolved.after', 'events.kept', 'events.off', 'encryption'}
local settings_row = nil

local function setting(name)
  if not settings_row then
    settings_row = {}
    for i, value in ipairs(redis.call('HMGET', K.config(), unpack(SETTINGS))) do settings_row[SETTINGS[i]] = value end
  end
  return settings_row[name]
end
