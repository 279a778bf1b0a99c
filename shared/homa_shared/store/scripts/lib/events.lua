--! use settings_row
-- Events of the fleet, past tense: a stream that keeps the latest, as many as settings say; kinds that they turn off are not
-- written.
-- Gives: publish(name, about), about being {job, target, batch, tenant, detail}, each '' where left out, and tags, a line each,
-- which only jobs that have some pay for.
local most_events = nil

local function publish(name, about)
  local off = setting('events.off')
  if off and string.find(off, '\n' .. name .. '\n', 1, true) then return end
  local fields = {'event', name, 'job', about.job or '', 'target', about.target or '', 'batch', about.batch or '',
    'tenant', about.tenant or '', 'detail', about.detail or '', about.tags and 'tags', about.tags}
  -- A setting that is no number of use must not stop what has begun to write.
  most_events = most_events or int(at_least(0, number_of(setting('events.kept')) or C.EVENTS_KEPT))
  redis.call('XADD', K.events(), 'MAXLEN', '~', most_events, '*', unpack(fields))
end
