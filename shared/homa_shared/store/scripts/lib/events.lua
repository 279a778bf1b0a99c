-- Events of the fleet, past tense: a stream that keeps the latest.
-- Gives: publish(name, about), about being {job, target, batch, tenant, detail}, each '' where left out.
local function publish(name, about)
  redis.call('XADD', K.events(), 'MAXLEN', '~', C.EVENTS_KEPT, '*', 'event', name, 'job', about.job or '', 'target', about.target or '',
    'batch', about.batch or '', 'tenant', about.tenant or '', 'detail', about.detail or '')
end
