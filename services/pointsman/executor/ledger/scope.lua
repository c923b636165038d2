-- One scope in Redis: its windows, its cooldown and the calls under way. Read whole, changed here, written whole.
--
--   KEY          hash: `state` (cooldown and the rest, packed), `w:UNIT|PERIOD` (a window, packed; -1 s: concurrency)
--   KEY:calls    hash: id of a call under way -> what it holds, packed
--   KEY:since    sorted set: the same ids by when they left
--   KEY:flights  hash: id of a candidate -> its calls under way; kept with the candidate's narrowest scope
--   KEY:w:UNIT|PERIOD:order, :amounts   calls that the last statement cannot have known, by when they left or ended

local CALM_CALLS, GUESSABLE = 100, 3
local RENEWED_EVERY = 32 -- changes of a scope: a key lives on while anything happens in it

local function kept(window)
  return {
    learned = window.learned,
    ends_at = window.ends_at,
    level = window.level,
    seen_at = window.seen_at,
    poured = window.poured,
    drains_per_s = window.drains_per_s,
    statement = window.statement,
    past = window.past,
    past_amount = window.past_amount,
    held_amount = window.held_amount,
    unseen_amount = window.unseen_amount,
    forgotten_amount = window.forgotten_amount,
    manner = window.manner,
  }
end

-- Begin the next fixed window when the last one is over for sure; what left just before its end may have arrived after.
local function renew(window, now, lasts_s)
  if window.ends_at and now < window.ends_at + window.margin then
    return
  end
  local past, first, ends_at = window.past, 1, now + lasts_s
  local follows = window.ends_at and ends_at - window.ends_at < 1.5 * window.period
  while window.ends_at and past[first] and (past[first] <= window.ends_at - window.margin or not follows) do
    window.past_amount = window.past_amount - past[first + 1]
    first = first + 2
  end
  window.past, window.ends_at = { unpack(past, first) }, ends_at
end

-- Count as a bucket from now on, or as a window again: with a restart other settings may have come.
local function become_bucket(window, now)
  forget(window, now)
  window.level, window.seen_at, window.poured = 0, -math.huge, window.poured or 0
  pour(window, window.past_amount + (pours_at_once(window) and window.held_amount or 0), now)
  window.past, window.past_amount = {}, 0
end

local function become_window(window, now)
  local held = pours_at_once(window) and window.held_amount or 0
  remember(window, now, math.max(0, math.ceil(level_at(window, now)) - held))
  window.level, window.seen_at, window.drains_per_s = nil, nil, nil
end

-- Count as the settings say that the provider does: the ceiling, then how, then where a fixed window begins.
local function count_as(window, limit, scope)
  local now, algorithm = scope.now, limit[4]
  window.ceiling = limit[3]
  if window.level and algorithm ~= "token_bucket" then
    become_window(window, now)
  end
  if algorithm == "fixed_window" then
    forget(window, now)
    renew(window, now, window.period - (scope.wall_s - limit[5]) % window.period)
  elseif window.period ~= DAY_S then
    window.ends_at = nil
  end
  if algorithm == "token_bucket" then
    window.drains_per_s = window.ceiling / window.period
    if not window.level then
      become_bucket(window, now)
    end
  end
end

local function adopt_window(scope, field, window)
  local unit, period = string.match(field, "^w:([%a_]+)|(.+)$")
  window.unit, window.period, window.margin = unit, tonumber(period), scope.margin
  window.scope, window.name = scope, scope.key .. ":" .. field
  if window.period < 0 then
    window.period = math.huge
  end
  local statement = window.statement
  if statement and scope.now >= math.max(statement.full_at, statement.seen_at) + STATED_FOR_S then
    window.statement, window.unseen_amount = nil, 0
    redis.call("DEL", window.name .. ":order", window.name .. ":amounts")
  end
  if window.period == DAY_S then
    renew(window, scope.now, scope.day_s)
  end
  scope.windows[field] = window
  return window
end

-- The window of a unit and a period, a new one if need be; calls under way count in it from the start.
local function window_of(scope, unit, period)
  local field = "w:" .. unit .. "|" .. string.format("%.14g", period)
  if scope.windows[field] then
    return scope.windows[field]
  end
  local held = 0
  for _, packed in ipairs(redis.call("HVALS", scope.key .. ":calls")) do
    held = held + amount_of(cmsgpack.unpack(packed).sizes, unit)
  end
  return adopt_window(scope, field, {
    past = {},
    past_amount = 0,
    held_amount = held,
    unseen_amount = 0,
    forgotten_amount = 0,
    manner = { refilling = 0, sliding = 0 },
  })
end

-- A call that is over: `sizes` is what it used, nil when it never left; `is_refused` says that it was refused without a
-- word on why. Returns what it held, nil when nobody knows it.
local function end_call(scope, id, sizes, ended_at, is_refused)
  local packed = redis.call("HGET", scope.key .. ":calls", id)
  if not packed then
    return nil
  end
  local call = cmsgpack.unpack(packed)
  redis.call("HDEL", scope.key .. ":calls", id)
  redis.call("ZREM", scope.key .. ":since", id)
  for _, window in pairs(scope.windows) do
    settle_window(window, id, call, sizes, ended_at, is_refused)
  end
  come_back(scope.cooldown, call.round)
  if call.candidate then
    redis.call("HINCRBY", scope.key .. ":flights", call.candidate, -1)
  end
  return call
end

local function begin_call(scope, id, sizes, since, round, candidate)
  local call = { sizes = sizes, since = since, round = round, candidate = candidate, poured = {} }
  for _, window in pairs(scope.windows) do
    hold(window, id, call)
  end
  redis.call("HSET", scope.key .. ":calls", id, cmsgpack.pack(call))
  redis.call("ZADD", scope.key .. ":since", exact(since), id)
  if candidate then
    redis.call("HINCRBY", scope.key .. ":flights", candidate, 1)
  end
end

-- Whoever held a call for longer than the lease has crashed: the call may have run, and counts as estimated.
local function return_leases(scope, lease_s)
  local late = redis.call("ZRANGEBYSCORE", scope.key .. ":since", "-inf", exact(scope.now - lease_s))
  for _, id in ipairs(late) do
    local call = cmsgpack.unpack(redis.call("HGET", scope.key .. ":calls", id))
    end_call(scope, id, call.sizes, scope.now)
    scope.changed = true
  end
end

local function open_scope(key, limits, asked, now)
  local scope = { key = key, now = now, margin = asked.margin_s, day_s = asked.day_s, wall_s = asked.wall_s, windows = {} }
  local fields = redis.call("HGETALL", key)
  local state
  for index = 1, #fields, 2 do
    if fields[index] == "state" then
      state = cmsgpack.unpack(fields[index + 1])
    else
      adopt_window(scope, fields[index], cmsgpack.unpack(fields[index + 1]))
    end
  end
  state = state or { cooldown = fresh_cooldown(), last_left = -math.huge, version = 0 }
  scope.cooldown, scope.last_left, scope.version = state.cooldown, state.last_left, state.version
  scope.too_large, scope.calm, scope.guess = state.too_large, state.calm, state.guess
  for _, limit in ipairs(limits) do
    count_as(window_of(scope, limit[1], limit[2]), limit, scope)
  end
  return_leases(scope, asked.lease_s)
  return scope
end

local function save_scope(scope)
  scope.version = scope.version + 1
  local state = {
    cooldown = scope.cooldown,
    last_left = scope.last_left,
    version = scope.version,
    too_large = scope.too_large,
    calm = scope.calm,
    guess = scope.guess,
  }
  local fields = { "state", cmsgpack.pack(state) }
  for field, window in pairs(scope.windows) do
    fields[#fields + 1] = field
    fields[#fields + 1] = cmsgpack.pack(kept(window))
  end
  redis.call("HSET", scope.key, unpack(fields))
  if scope.version % RENEWED_EVERY == 1 then
    for _, suffix in ipairs({ "", ":calls", ":since", ":flights" }) do
      redis.call("EXPIRE", scope.key .. suffix, KEPT_S)
    end
  end
end

-- What others see of a window. Instants are seconds from now; the past is told bin by bin where little is left.
local function window_view(window, now, oldest)
  local statement, limit = window.statement, limit_of(window)
  local left = left_of(window, limit, now)
  local past = window.past
  local view = {
    unit = window.unit,
    period_s = window.period == math.huge and -1 or window.period,
    learned = window.learned,
    held = window.held_amount,
    held_since_s = oldest and oldest - now,
    unseen = window.unseen_amount,
    forgotten = window.forgotten_amount,
    manner = { window.manner.refilling, window.manner.sliding },
    level = window.level and { window.level, math.max(window.seen_at, now - KEPT_S) - now },
    ends_in_s = window.ends_at and window.ends_at - now,
  }
  if statement then
    view.statement = {
      statement.limit, statement.remaining, statement.sent_at - now, statement.seen_at - now, statement.full_at - now,
      statement.refills,
    }
  end
  if past[1] and 2 * left < limit then
    view.past = {}
    for index = 1, #past, 2 do
      view.past[index], view.past[index + 1] = past[index] - now, past[index + 1]
    end
  elseif past[1] then
    view.past = { past[#past - 1] - now, window.past_amount }
  end
  return view
end

local function scope_view(scope, now)
  local cooldown, windows = scope.cooldown, {}
  local flights = redis.call("HGETALL", scope.key .. ":flights")
  local oldest = redis.call("ZRANGE", scope.key .. ":since", 0, 0, "WITHSCORES")[2]
  for _, window in pairs(scope.windows) do
    if limit_of(window) then
      windows[#windows + 1] = window_view(window, now, tonumber(oldest))
    end
  end
  return {
    version = scope.version,
    cooldown = {
      cooldown.state, cooldown.till == -math.huge and -KEPT_S or cooldown.till - now, cooldown.streak,
      cooldown.under_way, cooldown.allowed, cooldown.cause, cooldown.round,
    },
    too_large = scope.too_large,
    windows = windows,
    flights = flights,
  }
end
