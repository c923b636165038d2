-- The arithmetic of quota.py inside Redis: what fits now. When it will fit is worked out by who asks, from the reply.
-- A window is kept packed in its scope's hash; nil stands for what quota.py calls None, and for an end that never comes.

local BINS, DAY_S, MINUTE_S, UNSEEN_KEPT = 120, 86400, 60, 1024
local TELLING, MOVED_S, MOMENT_S, NEVER = 3, 3, 1, -1
local SLACK, STATED_FOR_S, LONGEST_S = 1e-6, 3600, 120
local KEPT_S = 26 * 3600 -- longer than the longest day: what nobody has touched for as long is of no use to anybody
local ARRIVING = { requests = true, input_tokens = true }

-- As text that reads back as the same number.
local function exact(number)
  return string.format("%.17g", number)
end

-- Sizes are those of an Estimate by unit. A call that never left has none at all.
local function amount_of(sizes, unit)
  if not sizes then
    return 0
  end
  if unit == "requests" or unit == "concurrency" then
    return 1
  end
  return sizes[unit]
end

local function limit_of(window)
  local known = window.learned
  if window.statement then
    known = window.statement.limit
  end
  if not known then
    return window.ceiling
  end
  return window.ceiling and math.min(known, window.ceiling) or known
end

-- The used part of a token bucket, as in bucket.py.
local function level_at(window, now)
  if now <= window.seen_at or window.level == 0 then
    return window.level
  end
  return math.max(0, window.level - (now - window.seen_at) * window.drains_per_s)
end

local function pour(window, amount, now)
  if amount == 0 then
    return
  end
  local level = level_at(window, now)
  local late = math.max(0, window.margin - level / window.drains_per_s)
  local risen = math.max(level, math.min(level + amount, LONGEST_S * window.drains_per_s))
  window.level, window.seen_at = risen, math.max(window.seen_at, now + late)
  window.poured = window.poured + risen - level
end

-- `poured` is how much had been when the call left. What has drained cannot be taken back.
local function take_back(window, amount, poured, now)
  local level = level_at(window, now)
  local late = window.margin - math.max(0, window.seen_at - now)
  local there = poured - window.poured + level - late * window.drains_per_s
  window.level = math.max(0, level - math.max(0, math.min(amount, there)))
  window.seen_at = math.max(window.seen_at, now)
end

-- A bucket that is charged at the door, with what was asked for.
local function pours_at_once(window)
  return window.drains_per_s and window.unit ~= "output_tokens"
end

local function bin_end(window, at)
  local width = window.period / BINS
  local ends_at = (math.floor(at / width) + 1) * width
  local border = window.ends_at and window.ends_at - window.margin
  return border and at < border and math.min(ends_at, border) or ends_at
end

local function forget(window, now)
  local past, first = window.past, 1
  if not past[1] or window.ends_at then
    return
  end
  while past[first] and past[first] + window.period + window.margin <= now do
    window.past_amount = window.past_amount - past[first + 1]
    window.forgotten_amount = window.forgotten_amount + past[first + 1]
    first = first + 2
  end
  if first > 1 then
    local kept = {}
    for index = first, #past do
      kept[#kept + 1] = past[index]
    end
    window.past = kept
  end
end

-- What is kept only for the margin: no sliding window of the period holds it any more.
local function gone_already(window, now)
  local gone, past, index = 0, window.past, 1
  local ended = now - window.period + window.period / BINS
  while past[index] and past[index] <= ended do
    gone = gone + past[index + 1]
    index = index + 2
  end
  return gone
end

local function used(window, now)
  if window.drains_per_s then
    local held = pours_at_once(window) and 0 or window.held_amount
    return math.ceil(level_at(window, now) - SLACK) + held
  end
  forget(window, now)
  return window.past_amount + window.held_amount
end

-- What a window that counts calls held when one left that was refused: by this guess, all that it may hold.
local function let_in_before(window, since)
  local under_way = redis.call("ZCOUNT", window.scope.key .. ":since", "-inf", "(" .. exact(since))
  if pours_at_once(window) then
    return math.max(1, math.ceil(level_at(window, since) - SLACK) - window.held_amount + under_way)
  end
  return math.max(1, window.past_amount - gone_already(window, since) + under_way)
end

local function remember(window, at, amount)
  local past, ends_at, index = window.past, bin_end(window, at), #window.past - 1
  window.past_amount = window.past_amount + amount
  while index > 0 and past[index] > ends_at do
    index = index - 2
  end
  if index > 0 and past[index] == ends_at then
    past[index + 1] = past[index + 1] + amount
  else
    table.insert(past, index + 2, ends_at)
    table.insert(past, index + 3, amount)
  end
end

local function unseen(window)
  return window.unseen_amount + (window.unit == "output_tokens" and window.held_amount or 0)
end

local function rate_of(statement)
  return (statement.limit - statement.remaining) / math.max(statement.full_at - statement.seen_at, 1e-3)
end

-- When at least `wanted` are left of what the provider stated, in a bucket that refills.
local function refilled_at(statement, wanted)
  if wanted > statement.limit then
    return math.huge
  end
  if wanted <= statement.remaining then
    return statement.seen_at
  end
  return math.min(statement.full_at, statement.seen_at + (wanted - statement.remaining) / rate_of(statement))
end

local function may_refill(window)
  return window.statement.refills and window.manner.refilling ~= NEVER
end

local function refills(window)
  return window.manner.refilling >= TELLING
end

local function slides(window)
  return window.manner.sliding >= TELLING and window.manner.refilling == NEVER
end

-- What is left by the statement, without the calls that it cannot have known of; `own` by our count.
local function stated_left(window, own, now)
  local statement, news = window.statement, unseen(window)
  if now >= statement.full_at + window.margin then
    return math.max(own, statement.limit - news)
  end
  local returned = slides(window) and window.forgotten_amount or 0
  local stated = math.min(statement.limit, statement.remaining + returned) - news
  if not may_refill(window) then
    return stated
  end
  local refilled = statement.limit
  if now < statement.full_at then
    local back = math.floor(rate_of(statement) * math.max(0, now - statement.seen_at))
    refilled = math.min(refilled, statement.remaining + back)
  end
  refilled = refilled - news
  return math.max(stated, refills(window) and refilled or math.min(own, refilled))
end

-- Whether settings allow less than the provider, so that our own count holds beside the provider's.
local function is_capped(window)
  return window.statement and window.ceiling and window.ceiling < window.statement.limit
end

-- Whether enough of what is under way arrived over there longer ago than the window reaches.
local function has_left(window, excess, now)
  if not ARRIVING[window.unit] or window.past[1] then
    return false
  end
  local latest = now - window.period - window.margin
  for _, id in ipairs(redis.call("ZRANGEBYSCORE", window.scope.key .. ":since", "-inf", exact(latest))) do
    local call = cmsgpack.unpack(redis.call("HGET", window.scope.key .. ":calls", id))
    if bin_end(window, call.since) + window.period + window.margin > now then
      return false
    end
    excess = excess - amount_of(call.sizes, window.unit)
    if excess <= 0 then
      return true
    end
  end
  return false
end

-- What is left, negative where more is occupied than allowed.
local function left_of(window, limit, now)
  local own = limit - used(window, now)
  if not window.statement then
    return own
  end
  local stated = stated_left(window, own, now)
  return is_capped(window) and math.min(own, stated) or stated
end

local function stated_fits(window, amount, own_fits, now)
  local statement, wanted = window.statement, amount + unseen(window)
  local is_over = now >= statement.full_at + window.margin
  if is_over and (wanted <= statement.limit or own_fits) then
    return true
  end
  if may_refill(window) and refilled_at(statement, wanted) <= now and (refills(window) or own_fits) then
    return true
  end
  local missing = wanted - statement.remaining - window.forgotten_amount
  return not is_over and slides(window) and has_left(window, missing, now)
end

local function fits(window, amount, now)
  local limit = limit_of(window)
  if not limit then
    return true
  end
  if amount > limit then
    return false
  end
  if left_of(window, limit, now) >= amount then
    return true
  end
  local excess = used(window, now) + amount - limit
  local own_fits = excess <= 0 or not window.ends_at and not window.drains_per_s and has_left(window, excess, now)
  if not window.statement then
    return own_fits
  end
  return stated_fits(window, amount, own_fits, now) and (own_fits or not is_capped(window))
end

-- Count a call as unknown to the last statement. Of very many, the oldest two that ended become one.
local function note(window, id, since, amount)
  local order, amounts, calls = window.name .. ":order", window.name .. ":amounts", window.scope.key .. ":calls"
  window.unseen_amount = window.unseen_amount + amount
  redis.call("ZADD", order, exact(since), id)
  redis.call("HSET", amounts, id, amount)
  while redis.call("ZCARD", order) > UNSEEN_KEPT do
    local oldest = redis.call("ZRANGE", order, 0, 1)
    if redis.call("HEXISTS", calls, oldest[1]) == 1 or redis.call("HEXISTS", calls, oldest[2]) == 1 then
      break
    end
    redis.call("HINCRBY", amounts, oldest[2], redis.call("HGET", amounts, oldest[1]))
    redis.call("HDEL", amounts, oldest[1])
    redis.call("ZREM", order, oldest[1])
  end
  redis.call("EXPIRE", order, KEPT_S)
  redis.call("EXPIRE", amounts, KEPT_S)
end

local function hold(window, id, call)
  local amount = amount_of(call.sizes, window.unit)
  window.held_amount = window.held_amount + amount
  if pours_at_once(window) then
    pour(window, amount, call.since)
    call.poured[window.name] = window.poured
  end
  if window.statement and window.unit ~= "output_tokens" then
    note(window, id, call.since, amount)
  end
end

-- A call that left before this was a bucket has nothing to take back.
local function settle_bucket(window, call, held, amount, ended_at)
  local more = pours_at_once(window) and amount - held or amount
  if more > 0 then
    pour(window, more, ended_at)
  elseif more < 0 and call.poured[window.name] then
    take_back(window, -more, call.poured[window.name], ended_at)
  end
end

-- Replace what a call held by what it used. `ended_at` is now, or earlier when the news comes late.
local function settle_window(window, id, call, sizes, ended_at, is_refused)
  local held, amount = amount_of(call.sizes, window.unit), amount_of(sizes, window.unit)
  if window.unit == "concurrency" then
    amount = 0
  end
  if is_refused and not window.ceiling then
    amount = 0 -- counted to guess a limit, and what is refused is not part of it
  end
  window.held_amount = window.held_amount - held
  if window.drains_per_s then
    settle_bucket(window, call, held, amount, ended_at)
  end
  if redis.call("HEXISTS", window.name .. ":amounts", id) == 1 then
    window.unseen_amount = window.unseen_amount + amount - held
    redis.call("HSET", window.name .. ":amounts", id, amount)
  end
  if amount <= 0 then
    return
  end
  if window.unit == "output_tokens" and window.statement and call.since ~= window.statement.sent_at then
    note(window, id, ended_at, amount)
  end
  if not window.drains_per_s then
    remember(window, ARRIVING[window.unit] and call.since or ended_at, amount)
  end
end

-- The stricter of what one answer said twice, as OpenAI does of an account and of a project.
local function stricter(one, other)
  return {
    limit = math.min(one.limit, other.limit),
    remaining = math.min(one.remaining, other.remaining),
    sent_at = other.sent_at,
    seen_at = other.seen_at,
    full_at = math.max(one.full_at, other.full_at),
    refills = one.refills and other.refills,
  }
end

-- How a provider counts, as its statements betray it: numbers of those in favour, NEVER after one against.
local function look(manner, statement)
  if statement.remaining >= statement.limit then
    return
  end
  if not statement.refills or manner.refilling == NEVER then
    manner.refilling = NEVER
  elseif not manner.told_at or statement.seen_at >= manner.told_at + MOMENT_S then
    manner.refilling, manner.told_at = manner.refilling + 1, statement.seen_at
  end
  local anchor = manner.anchor
  if not anchor or anchor.full_at <= statement.seen_at then
    manner.anchor = statement
  elseif statement.full_at > anchor.full_at + MOVED_S then
    manner.anchor = statement
    manner.sliding = manner.sliding ~= NEVER and manner.sliding + 1 or NEVER
  elseif statement.sent_at > anchor.seen_at + MOVED_S then
    manner.sliding = NEVER
  end
end

-- Take in what an answer said, before its call is settled. News that is late never raises what is left.
local function state_window(window, statement)
  local before = window.statement
  look(window.manner, statement)
  if before and statement.sent_at < before.sent_at then
    return
  end
  forget(window, statement.seen_at)
  window.forgotten_amount = -gone_already(window, statement.seen_at)
  window.statement = before and statement.sent_at == before.sent_at and stricter(before, statement) or statement
  if not before and window.unit ~= "output_tokens" then
    local calls = redis.call("HGETALL", window.scope.key .. ":calls")
    for index = 1, #calls, 2 do
      local call = cmsgpack.unpack(calls[index + 1])
      note(window, calls[index], call.since, amount_of(call.sizes, window.unit))
    end
  end
  local seen = redis.call("ZRANGEBYSCORE", window.name .. ":order", "-inf", exact(statement.sent_at))
  for _, id in ipairs(seen) do
    window.unseen_amount = window.unseen_amount - redis.call("HGET", window.name .. ":amounts", id)
    redis.call("HDEL", window.name .. ":amounts", id)
    redis.call("ZREM", window.name .. ":order", id)
  end
end
