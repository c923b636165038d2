-- What is asked of the ledger in Redis. KEYS[1] is its clock, the others are scopes, the widest first.
-- ARGV[1] says what is known beforehand of the candidate (or of all scopes), ARGV[2] what is asked; both are JSON.

-- Redis's own time in seconds; where somebody has set it back, it goes on from where it stood.
local function time_now(key)
  local time, clock = redis.call("TIME"), redis.call("HMGET", key, "last", "shift")
  local wall, last, shift = time[1] + time[2] / 1e6, tonumber(clock[1] or 0), tonumber(clock[2] or 0)
  shift = shift + math.max(0, last - (wall + shift))
  redis.call("HSET", key, "last", exact(wall + shift), "shift", exact(shift))
  return wall + shift
end

local about, asked = cjson.decode(ARGV[1]), cjson.decode(ARGV[2])
local now = asked.now or time_now(KEYS[1])
if asked.not_after and now > asked.not_after then
  return cjson.encode({ now = now, late = true }) -- who asked has given up
end

local scopes, operations = {}, {}
for index, limits in ipairs(about.limits) do
  scopes[index] = open_scope(KEYS[index + 1], limits, asked, now)
end

local function sizes_of(numbers)
  return numbers and { input_tokens = numbers[1], output_tokens = numbers[2], tokens = numbers[3] }
end

local function candidate_of(index)
  return index == #scopes and about.candidate or nil
end

local function denied(sizes)
  for _, scope in ipairs(scopes) do
    if scope.too_large and sizes.tokens >= scope.too_large then
      return "size"
    end
  end
  for _, scope in ipairs(scopes) do
    if not is_ready(scope.cooldown, now) then
      return "cooldown"
    end
  end
  for _, scope in ipairs(scopes) do
    for _, window in pairs(scope.windows) do
      if not fits(window, amount_of(sizes, window.unit), now) then
        return "quota"
      end
    end
  end
  return nil
end

function operations.reserve()
  local sizes = sizes_of(asked.sizes)
  local why = denied(sizes)
  if why then
    return why
  end
  -- Never the same instant twice: which call left later decides what an answer can have known of.
  local since = now
  for _, scope in ipairs(scopes) do
    since = math.max(since, scope.last_left + math.max(scope.last_left, 1) * 2 ^ -52)
  end
  for index, scope in ipairs(scopes) do
    scope.last_left, scope.changed = since, true
    begin_call(scope, asked.id, sizes, since, leave(scope.cooldown), candidate_of(index))
  end
  return nil
end

-- Count a call that left without asking, while Redis was away. One that is known already stays as it is.
function operations.adopt()
  local since = now - asked.age_s
  for index, scope in ipairs(scopes) do
    if redis.call("HEXISTS", scope.key .. ":calls", asked.id) == 0 then
      begin_call(scope, asked.id, sizes_of(asked.sizes), since, scope.cooldown.round, candidate_of(index))
      scope.cooldown.under_way = scope.cooldown.under_way + 1
      scope.changed = true
    end
  end
end

-- Forget a call that never left.
function operations.release()
  for _, scope in ipairs(scopes) do
    scope.changed = end_call(scope, asked.id, nil, now) and true or scope.changed
  end
end

local function state(scope, since, ended_at)
  for _, stated in ipairs(asked.stated) do
    local window = window_of(scope, stated.unit, stated.period_s)
    if not stated.remaining then
      window.learned = stated.limit
    else
      state_window(window, {
        limit = stated.limit,
        remaining = stated.remaining,
        sent_at = since,
        seen_at = ended_at,
        full_at = ended_at + stated.full_in_s,
        refills = stated.refills,
      })
    end
  end
end

-- Learn from a refusal that says nothing: so many calls a minute, as far as we know.
local function guess(scope, since, is_first)
  if asked.cause ~= "rate_limited" or not asked.is_refused then
    return
  end
  for _, window in pairs(scope.windows) do
    if window.statement and window.period == MINUTE_S then
      return
    end
  end
  local window = window_of(scope, "requests", MINUTE_S)
  local guessed = let_in_before(window, since)
  if guessed < GUESSABLE then
    return
  end
  -- What has just been refused was thought to fit, so the guess was too high by one at least; once a burst.
  if window.learned then
    guessed = math.max(1, math.min(guessed, window.learned - (is_first and 1 or 0)))
  end
  window.learned, scope.guess = guessed, { answers = 0, step = 1 }
end

-- Allow no more calls at once than had left before the one that was refused, half of those under way at least, unless
-- the provider said how many. False where none was under way: others use up what the account may, only waiting helps.
local function narrow(scope, since)
  local window, others = window_of(scope, "concurrency", -1), redis.call("HLEN", scope.key .. ":calls")
  if asked.names_concurrency then
    scope.calm = nil
  else
    window.learned = math.max(1, math.floor((others + 1) / 2), let_in_before(window, since))
    scope.calm = 0
  end
  return others > 0
end

-- Raise limits that were only guessed after many answers at them.
local function widen(scope)
  if scope.calm then
    local window = window_of(scope, "concurrency", -1)
    local learned = window.learned or 1
    if redis.call("HLEN", scope.key .. ":calls") + 1 >= learned then
      scope.calm = scope.calm + 1
    end
    if scope.calm >= CALM_CALLS then
      scope.calm, window.learned = 0, learned + 1
    end
  end
  local calm = scope.guess
  if calm then
    local window = window_of(scope, "requests", MINUTE_S)
    local learned = window.learned or 1
    if used(window, now) >= learned then
      calm.answers = calm.answers + 1
    end
    if calm.answers >= CALM_CALLS then
      window.learned, calm.answers, calm.step = learned + calm.step, 0, calm.step * 2
    end
  end
end

-- What an end does to the scope that it speaks of; see Effect in attempt.py. `call` is what the scope knew of the call.
local effects = { none = function() end }

function effects.close(_, _, rounds)
  for index, known in ipairs(scopes) do
    succeed(known.cooldown, rounds[index])
  end
  widen(scopes[about.quota_scope])
end

local function stay_away(scope, call)
  cool(scope.cooldown, till_when(scope.cooldown, asked.wait, call.round, call.ended_at), asked.cause, call.round)
end

function effects.cool(scope, call)
  local is_first = call.round == scope.cooldown.round
  stay_away(scope, call)
  guess(scopes[about.quota_scope], call.since, is_first)
end
effects.cool_day = effects.cool

effects["break"] = function(scope, call)
  local till = till_when(scope.cooldown, asked.wait, call.round, call.ended_at)
  fail(scope.cooldown, till, asked.cause, call.round, asked.at_once)
end

function effects.take_out(scope)
  take_out(scope.cooldown, asked.cause)
end

function effects.narrow(scope, call)
  if not narrow(scopes[about.quota_scope], call.since) then
    stay_away(scope, call)
  end
end

function effects.remember_size(scope, call)
  scope.too_large = math.min(call.sizes.tokens, scope.too_large or call.sizes.tokens)
end

-- Replace what was set aside by what was used, and take in what the outcome teaches.
function operations.settle()
  local ended_at, own = now - asked.ended_ago_s, scopes[#scopes].key
  if asked.age_s and redis.call("SET", own .. ":late:" .. asked.id, 1, "NX", "EX", 600) then
    operations.adopt() -- it left while Redis was away, or before Redis lost what it knew
  end
  local known = redis.call("HGET", scopes[about.quota_scope].key .. ":calls", asked.id)
  if not known then
    return
  end
  state(scopes[about.quota_scope], cmsgpack.unpack(known).since, ended_at)
  local rounds, call = {}, nil
  for index, scope in ipairs(scopes) do
    local ended = end_call(scope, asked.id, sizes_of(asked.used), ended_at, asked.is_refused)
    rounds[index] = ended.round
    call = index == asked.scope and ended or call
    scope.changed = true
  end
  call.ended_at = ended_at
  effects[asked.effect](scopes[asked.scope], call, rounds)
end

function operations.take_out()
  take_out(scopes[asked.scope].cooldown, asked.cause)
  scopes[asked.scope].changed = true
end

function operations.revive()
  for _, scope in ipairs(scopes) do
    revive(scope.cooldown)
    scope.changed = true
  end
end

-- Say that this replica is there; scopes are told in any case.
function operations.read()
  local replicas = KEYS[1] .. ":replicas"
  redis.call("ZADD", replicas, exact(now), asked.replica)
  redis.call("ZREMRANGEBYSCORE", replicas, "-inf", exact(now - asked.replica_s))
  redis.call("EXPIRE", replicas, KEPT_S)
  return nil, redis.call("ZCARD", replicas)
end

local why, replicas = operations[asked.op]()
local views = {}
for index, scope in ipairs(scopes) do
  if scope.changed then
    save_scope(scope)
  end
  views[index] = scope_view(scope, now)
end
return cjson.encode({ now = now, denied = why, replicas = replicas, scopes = views })
