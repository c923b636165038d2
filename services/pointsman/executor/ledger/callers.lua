-- What one caller uses, counted for all Executors at once: asked before a call leaves, and told when it has ended.
--
--   KEYS[1]  hash: `requests` and `tokens` (packed pairs: end of a half second, amount), `held_tokens`, `held_usd`
--   KEYS[2]  hash: id of a call under way -> what is held for it, packed
--   KEYS[3]  sorted set: the same ids by when they left
--   KEYS[4]  what was spent in the day under way, KEYS[5] in the month; each day and each month has a key of its own
--   KEYS[6]  sorted set: callers by when their use last changed
--
-- Only `look` is about nobody: its KEYS[1] is that last set, KEYS[2] a sorted set of the Executors by when they looked.
--
-- ARGV[1] says what is known beforehand: the name of the caller, its `limits`, and which day and month, its `terms`, are
-- meant; ARGV[2] what is asked; both are JSON.
--
-- Money is in billionths of a dollar: whole numbers, which Lua counts exactly up to nine million dollars.

local MINUTE_S, BIN_S, KEPT_S = 60, 0.5, 40 * 86400

local about, asked = cjson.decode(ARGV[1]), cjson.decode(ARGV[2])
local time = redis.call("TIME")
local now = asked.now or time[1] + time[2] / 1e6
if asked.not_after and now > asked.not_after then
  return cjson.encode({ now = now, late = true }) -- who asked has given up
end

local function exact(instant)
  return string.format("%.6f", instant)
end

-- Who is there, and whose use has changed since an earlier look.
local function look(lately, replicas)
  local gone_at = exact(now - asked.replica_s)
  redis.call("ZADD", replicas, exact(now), asked.replica)
  redis.call("ZREMRANGEBYSCORE", replicas, "-inf", gone_at)
  redis.call("ZREMRANGEBYSCORE", lately, "-inf", gone_at)
  redis.call("EXPIRE", replicas, KEPT_S)
  return cjson.encode({
    now = now,
    looked_at = exact(now),
    replicas = redis.call("ZCARD", replicas),
    changed = redis.call("ZRANGEBYSCORE", lately, asked.since, "+inf"),
    scopes = {},
  })
end

if asked.op == "look" then
  return look(KEYS[1], KEYS[2])
end

local state, calls, since, lately = KEYS[1], KEYS[2], KEYS[3], KEYS[6]
local spent = { day = KEYS[4], month = KEYS[5] }
local is_changed = false

local function whole(number)
  return string.format("%.0f", number)
end

local function number_at(field)
  return tonumber(redis.call("HGET", state, field) or 0)
end

local function spent_in(term)
  return tonumber(redis.call("GET", spent[term]) or 0)
end

-- What a minute holds, bin by bin, and all of it together.
local function minute(field)
  local packed = redis.call("HGET", state, field)
  local bins, kept, sum = packed and cmsgpack.unpack(packed) or {}, {}, 0
  for index = 1, #bins, 2 do
    if bins[index] + MINUTE_S > now then
      kept[#kept + 1], kept[#kept + 2] = bins[index], bins[index + 1]
      sum = sum + bins[index + 1]
    end
  end
  return kept, sum
end

local function remember(field, amount)
  if amount <= 0 then
    return
  end
  local bins, ends_at = minute(field), (math.floor(now / BIN_S) + 1) * BIN_S
  if bins[#bins - 1] == ends_at then
    bins[#bins] = bins[#bins] + amount
  else
    bins[#bins + 1], bins[#bins + 2] = ends_at, amount
  end
  redis.call("HSET", state, field, cmsgpack.pack(bins))
  is_changed = true
end

local function hold(id, tokens, usd, at)
  redis.call("HSET", calls, id, cmsgpack.pack({ tokens, usd }))
  redis.call("ZADD", since, exact(at), id)
  redis.call("HINCRBY", state, "held_tokens", whole(tokens))
  redis.call("HINCRBY", state, "held_usd", whole(usd))
  is_changed = true
end

-- Returns what was held for a call, nil when nobody knows it.
local function let_go(id)
  local packed = redis.call("HGET", calls, id)
  if not packed then
    return nil
  end
  local held = cmsgpack.unpack(packed)
  redis.call("HDEL", calls, id)
  redis.call("ZREM", since, id)
  redis.call("HINCRBY", state, "held_tokens", whole(-held[1]))
  redis.call("HINCRBY", state, "held_usd", whole(-held[2]))
  is_changed = true
  return held
end

local function use(tokens, usd)
  remember("tokens", tokens)
  for _, key in pairs(spent) do
    redis.call("INCRBY", key, whole(usd))
  end
  is_changed = true
end

-- Whoever held a call for longer than the lease has crashed: the call may have run, and counts as held.
local function return_leases()
  for _, id in ipairs(redis.call("ZRANGEBYSCORE", since, "-inf", exact(now - asked.lease_s))) do
    local held = let_go(id)
    use(held[1], held[2])
  end
end

local function denied(tokens, usd)
  local limits = about.limits
  local _, used = minute("tokens")
  if limits.tokens and used + number_at("held_tokens") + tokens > limits.tokens then
    return "rate"
  end
  for term in pairs(spent) do
    if limits[term] and usd > 0 and spent_in(term) + number_at("held_usd") + usd > limits[term] then
      return "money"
    end
  end
  return nil
end

local operations = {}

function operations.admit()
  local _, used = minute("requests")
  if used + 1 > about.limits.requests then
    return "rate"
  end
  remember("requests", 1)
  return nil
end

function operations.hold()
  local why = denied(asked.tokens, asked.usd)
  if not why then
    hold(asked.id, asked.tokens, asked.usd, now)
  end
  return why
end

-- Count a call that left without asking. One that is known already stays as it is.
function operations.adopt()
  if redis.call("HEXISTS", calls, asked.id) == 0 then
    hold(asked.id, asked.tokens, asked.usd, now - asked.age_s)
  end
end

-- Forget a call that never left.
function operations.release()
  let_go(asked.id)
end

-- Replace what was held by what was used. Of a call that is not known, an age says that it left while Redis was away, or
-- before Redis lost what it knew; it is counted once, however often that is told.
function operations.settle()
  local is_news = asked.age_s and redis.call("SET", calls .. ":late:" .. asked.id, 1, "NX", "EX", 600)
  if let_go(asked.id) or is_news then
    use(asked.tokens, asked.usd)
  end
end

-- What somebody knows was spent, in case that Redis has forgotten; it never makes less of it.
function operations.read()
  for term, usd in pairs(asked.at_least or {}) do
    if spent_in(term) < usd then
      redis.call("SET", spent[term], whole(usd))
      is_changed = true
    end
  end
end

return_leases()
local why = operations[asked.op]()
if is_changed then
  redis.call("ZADD", lately, exact(now), about.caller)
end
for _, key in ipairs(KEYS) do
  redis.call("EXPIRE", key, KEPT_S)
end

local function ages(field)
  local bins = minute(field)
  for index = 1, #bins, 2 do
    bins[index] = bins[index] - now
  end
  return bins
end

local view = {
  terms = about.terms,
  requests = ages("requests"),
  tokens = ages("tokens"),
  held_tokens = whole(number_at("held_tokens")),
  held_usd = whole(number_at("held_usd")),
  day = whole(spent_in("day")),
  month = whole(spent_in("month")),
}
return cjson.encode({ now = now, denied = why, scopes = { view } })
