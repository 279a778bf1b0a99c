--! use clock, record, backlog, flow_run, flow_writes
-- Runs of flows. A node is one step for one item, and a job of the run's batch; its record names it in field nd, `step path`
-- or, in the tree of a reduce, `step path~level.place`. An item's path is its number, behind that of the item that it is a
-- part of: `3.0` is the first part of the fourth input. What ends a job tells its flow in the same script, which counts and
-- makes the next nodes: each exactly once, since a job ends once.
--
-- The hash flow_nodes has, by field: `node` -> line of its job in the batch, or `x cause` where it has no answer; `+ node` ->
-- how many of what it waits for have ended; `^ source scope` -> items that are there; `# source scope` -> how many there are,
-- once no more come.
-- Gives: of Flow, node_ended(id, r, state); put_item(f, source, path, item, kept, place), ms; seal_items(f, source, scope, n);
-- items_in(f, source, scope).

function Flow.template_of(f, step)
  local t = f.made[step]
  if not t then
    local said = redis.call('HMGET', K.flow(f.run), step .. '|record', step .. '|request')
    t = {record = cjson.decode(said[1]), request = string.sub(said[2], 1, -2) .. ',"flow":'}
    f.made[step] = t
  end
  return t
end

-- The job whose reply a job has, and the size of that.
function Flow.reply_of(job)
  local size = redis.call('STRLEN', K.reply(job))
  if size > 0 and size < Flow.short then
    local source = string.match(redis.call('GET', K.reply(job)), '^{"cached":"([^"]+)"')
    if source then return source, redis.call('STRLEN', K.reply(source)) end
  end
  return job, size
end

-- What a node is made of, {step, reference}: `@path` an item, else a job; its size in bytes; and what tells it from others:
-- an item by its content, an answer by the job that was paid for it.
function Flow.parents_of(f, names, values)
  local parents, bytes, told = {}, 0, {}
  for i, name in ipairs(names) do
    local step, path = string.match(name, '^(%S+) (.*)$')
    local reference, size = '@' .. path, 0
    if f.steps[step].kind == 'source' then
      local item = name == f.item_name and f.item or redis.call('GET', K.flow_item(f.run, step, path)) or ''
      size, told[i] = #item, step .. ' ' .. redis.sha1hex(item)
    else
      reference, size = Flow.reply_of(f.run .. '-' .. values[i])
      told[i] = step .. ' ' .. reference
    end
    parents[i], bytes = {step, reference}, bytes + size
  end
  return parents, bytes, table.concat(told, '\n')
end

-- Makes the job of a node. What its call takes is reckoned from the sizes of the answers that it will be made of.
function Flow.make_node(f, step, name, names, values, missing)
  local t = Flow.template_of(f, step)
  local parents, bytes, told = Flow.parents_of(f, names, values)
  local line, r = int(redis.call('HINCRBY', K.batch(f.run), 'lines', 1) - 1), t.record
  -- The nodes of an item stand where the item does, so that what was begun is finished before more is begun.
  local own = {'nd', name, 'ci', name, 'sq', int(f.place or redis.call('INCR', K.sequence()))}
  local function put(field, value) own[#own + 1], own[#own + 2] = field, value end
  local tokens = math.ceil(math.max(0, bytes - Flow.envelope * #parents) * (f.steps[step].tokens or 0))
  for _, field in ipairs({'rt', 'ri'}) do put(field, int(tonumber(r[field] or 0) + tokens)) end
  local place = {step = step, parents = parents, missing = missing, bytes = bytes}
  if r.bn then
    place.bound = int(tonumber(r.bn) + math.ceil(bytes * (f.steps[step].nano or 0)))
    put('bn', place.bound)
  end
  -- Equal nodes are asked for once, in whatever run: what is equal is not done again where a step or an input has changed.
  if f.steps[step].key then put('ck', 'flow:' .. redis.sha1hex(f.steps[step].key .. '\n' .. int(missing) .. '\n' .. told)) end
  place.gathers = f.steps[step].kind == 'reduce' or nil
  redis.call('HSET', K.flow_nodes(f.run), name, line)
  Flow.write_job(f, t, f.run .. '-' .. line, own, t.request .. cjson.encode(place) .. '}')
  Flow.count_of(f, step, 'made')
end

function Flow.is_absent(value) return not value or string.sub(value, 1, 2) == 'x ' end
function Flow.cause_of(value) return value and string.sub(value, 3) or 'gone' end

-- A node that will have no answer, for a cause, which goes on to what depends on it.
function Flow.absent(f, step, path, cause)
  redis.call('HSET', K.flow_nodes(f.run), step .. ' ' .. path, 'x ' .. cause)
  Flow.count_of(f, step, 'absent')
  Flow.propagate(f, step, path, cause)
end

-- How many nodes level l of the tree over n items has, each of so many of the level below.
function Flow.nodes_at(n, width, l)
  for _ = 1, l do n = math.ceil(n / width) end
  return n
end

-- How many items a scope has; nil while more may come.
function Flow.items_in(f, source, scope)
  local field = '# ' .. source .. ' ' .. scope
  if not f.ends[field] then f.ends[field] = tonumber(redis.call('HGET', K.flow_nodes(f.run), field) or nil) end
  return f.ends[field]
end

function Flow.tree_name(step, scope, l, g) return step .. ' ' .. scope .. '~' .. int(l) .. '.' .. int(g) end

-- Filters that the answer of a node does not pass: its worker has written their names in front of the reply.
function Flow.dropped_by(f, value)
  local job = Flow.reply_of(f.run .. '-' .. value)
  return string.match(redis.call('GETRANGE', K.reply(job), 0, Flow.most_drops), '^{"drop":%[([^%]]*)%]') or ''
end

-- A step without a job of its own that has an answer: that of the step before.
function Flow.pass(f, step, path, value)
  redis.call('HSET', K.flow_nodes(f.run), step .. ' ' .. path, value)
  Flow.count_of(f, step, 'passed')
  Flow.propagate(f, step, path, nil)
end

function Flow.filter(f, step, path, cause)
  if cause then return Flow.absent(f, step, path, cause) end
  local value = redis.call('HGET', K.flow_nodes(f.run), f.steps[step].from[1] .. ' ' .. path)
  if string.find(Flow.dropped_by(f, value), '"' .. step .. '"', 1, true) then
    return Flow.absent(f, step, path, 'dropped ' .. f.run .. '-' .. value)
  end
  Flow.pass(f, step, path, value)
end

-- The answer of the first of several steps that has one, once all have ended.
function Flow.join(f, step, path)
  local s, names = f.steps[step], {}
  if Flow.arrivals(f, '+ ' .. step .. ' ' .. path) < #s.from then return end
  for i, from in ipairs(s.from) do names[i] = from .. ' ' .. path end
  local values = redis.call('HMGET', K.flow_nodes(f.run), unpack(names))
  local cause = nil
  for i = 1, #names do
    if not Flow.is_absent(values[i]) then return Flow.pass(f, step, path, values[i]) end
    -- One that failed says more than one that was not meant for it.
    if not cause or string.sub(cause, 1, 8) == 'dropped ' then cause = Flow.cause_of(values[i]) end
  end
  Flow.absent(f, step, path, cause)
end

-- All that node g of level l of a reduce is made of has ended: so many nodes or items of the level below.
function Flow.open_tree_node(f, step, scope, l, g, n)
  local s, nodes, own = f.steps[step], K.flow_nodes(f.run), Flow.tree_name(step, scope, l, g)
  local names, values = {}, {}
  for i = 1, n do
    local child = g * s.width + i - 1
    local path = (scope ~= '' and scope .. '.' or '') .. int(child)
    names[i] = l > 1 and Flow.tree_name(step, scope, l - 1, child) or s.from[1] .. ' ' .. path
  end
  for i = 1, n do values[i] = '@' end
  if l > 1 or f.steps[s.from[1]].kind ~= 'source' then values = redis.call('HMGET', nodes, unpack(names)) end
  -- One alone is passed on as it is.
  if l > 1 and n == 1 then
    redis.call('HSET', nodes, own, values[1] or 'x gone')
    return Flow.tree_ended(f, step, scope, l, g, Flow.is_absent(values[1]) and Flow.cause_of(values[1]) or nil)
  end
  local found, lines, missing, cause = {}, {}, 0, nil
  for i = 1, n do
    if Flow.is_absent(values[i]) then
      cause = cause or Flow.cause_of(values[i])
      if string.sub(values[i] or '', 1, 10) ~= 'x dropped ' then missing = missing + 1 end
    else
      found[#found + 1], lines[#lines + 1] = names[i], values[i]
    end
  end
  if #found == 0 or (missing > 0 and s.on_failure == 'fail') then
    redis.call('HSET', nodes, own, 'x ' .. cause)
    return Flow.tree_ended(f, step, scope, l, g, cause)
  end
  Flow.make_node(f, step, own, found, lines, missing)
end

-- One more of what node g of level l of a reduce is made of has ended.
function Flow.arrive(f, step, scope, l, child)
  local s = f.steps[step]
  local g, n = math.floor(child / s.width), Flow.items_in(f, s.over, scope)
  local wanted = n and math.min(s.width, Flow.nodes_at(n, s.width, l - 1) - g * s.width) or s.width
  if Flow.arrivals(f, '+ ' .. Flow.tree_name(step, scope, l, g)) == wanted then
    Flow.open_tree_node(f, step, scope, l, g, wanted)
  end
end

-- The top of a reduce's tree is the reduce itself.
function Flow.finish(f, step, scope, l, cause)
  local value = redis.call('HGET', K.flow_nodes(f.run), Flow.tree_name(step, scope, l, 0))
  redis.call('HSET', K.flow_nodes(f.run), step .. ' ' .. scope, value)
  Flow.propagate(f, step, scope, cause)
end

function Flow.tree_ended(f, step, scope, l, g, cause)
  local s = f.steps[step]
  local n = Flow.items_in(f, s.over, scope)
  if n and Flow.nodes_at(n, s.width, l) == 1 then return Flow.finish(f, step, scope, l, cause) end
  Flow.arrive(f, step, scope, l + 1, g)
end

-- A node of one item: made once all that it is made of has ended, or without an answer where one of these has none.
function Flow.open_node(f, step, path)
  local s, names, values = f.steps[step], {}, {}
  local name = step .. ' ' .. path
  if #s.from > 1 and Flow.arrivals(f, '+ ' .. name) < #s.from then return end
  for i, from in ipairs(s.from) do
    names[i], values[i] = from .. ' ' .. path, '@'
    if f.steps[from].kind ~= 'source' then
      values[i] = redis.call('HGET', K.flow_nodes(f.run), names[i])
      if Flow.is_absent(values[i]) then return Flow.absent(f, step, path, Flow.cause_of(values[i])) end
    end
  end
  Flow.make_node(f, step, name, names, values, 0)
end

-- A step has ended for an item, with an answer or, for a cause, without: what depends on it is counted and made.
function Flow.propagate(f, step, path, cause)
  for _, name in ipairs(f.steps[step].to) do
    local s = f.steps[name]
    if s.kind == 'reduce' then
      local scope, number = string.match(path, '^(.-)%.?(%d+)$')
      Flow.arrive(f, name, scope, 1, tonumber(number))
    elseif s.kind == 'source' then
      -- Whoever makes its parts has put them in before, or makes none.
      if cause then Flow.lose_parts(f, name, path, cause) end
    elseif s.kind == 'filter' then
      Flow.filter(f, name, path, cause)
    elseif s.kind == 'join' then
      Flow.join(f, name, path)
    elseif cause and #s.from == 1 then
      Flow.absent(f, name, path, cause)
    else
      Flow.open_node(f, name, path)
    end
  end
end

function Flow.node_ended(id, r, state)
  if r.ba then Flow.guarded(r.ba, 'what follows ' .. r.nd, Flow.go_on, id, r, state) end
end

-- A cancelled run makes no further nodes.
function Flow.go_on(id, r, state)
  local step, path, l, g = string.match(r.nd, '^(%S+) ([%d.]*)~?(%d*)%.?(%d*)$')
  local f = step and Flow.load(r.ba)
  if not f or not f.steps[step] then return end
  Flow.count_of(f, step, state)
  local cause = nil
  if state ~= 'succeeded' then
    cause = state .. ' ' .. id
    redis.call('HSET', K.flow_nodes(f.run), r.nd, 'x ' .. cause)
  end
  if f.cancelled then return end
  f.place = r.sq
  if l ~= '' then Flow.tree_ended(f, step, path, tonumber(l), tonumber(g), cause) else Flow.propagate(f, step, path, cause) end
  f.place = nil
end

-- What there is to bring together in a scope has not come, for a cause. Where it has, as behind a worker that was lost after its
-- last part, it is gone on with: a reduce ends once.
function Flow.lose_parts(f, source, scope, cause)
  if Flow.items_in(f, source, scope) then return end
  for _, step in ipairs(f.steps[source].closed_by) do Flow.absent(f, step, scope, cause) end
end

function Flow.put_item(f, source, path, item, kept, place)
  redis.call('SET', K.flow_item(f.run, source, path), item, 'PX', kept)
  -- Its nodes stand side by side, those of parts where that stands which they are parts of.
  f.place = place or redis.call('INCR', K.sequence())
  f.item_name, f.item = source .. ' ' .. path, item
  Flow.propagate(f, source, path, nil)
  f.place, f.item_name, f.item = nil, nil, nil
end

-- No more items come into a scope. What was counted so far and is complete now, along the right edge of each tree, is made.
function Flow.seal_items(f, source, scope, n)
  local nodes = K.flow_nodes(f.run)
  redis.call('HSET', nodes, '# ' .. source .. ' ' .. scope, int(n))
  -- What has come so far is looked up.
  Flow.write(f)
  for _, step in ipairs(f.steps[source].closed_by) do
    local width, l, below = f.steps[step].width, 1, n
    if n == 0 then Flow.absent(f, step, scope, 'empty') end
    while n > 0 do
      local here = math.ceil(below / width)
      local last = Flow.tree_name(step, scope, l, here - 1)
      local wanted = below - (here - 1) * width
      local v = redis.call('HMGET', nodes, last, '+ ' .. last, '+ ' .. Flow.tree_name(step, scope, l + 1, 0), step .. ' ' .. scope)
      if not v[1] and tonumber(v[2] or 0) == wanted then
        Flow.open_tree_node(f, step, scope, l, here - 1, wanted)
      elseif here == 1 and v[1] and v[3] and not v[4] then
        -- It ended before it was known to be the top.
        Flow.finish(f, step, scope, l, Flow.is_absent(v[1]) and Flow.cause_of(v[1]) or nil)
      end
      if here == 1 then break end
      below, l = here, l + 1
    end
  end
end
