-- The state machine of cooldown.py inside Redis: when something that failed may be called again.

local BREAKER_FAILURES, RAMP_CLOSES_AT = 3, 16

local function fresh_cooldown()
  return { state = "open", till = -math.huge, streak = 0, under_way = 0, allowed = 1, cause = "", round = 0 }
end

local function is_ready(cooldown, now)
  local state = cooldown.state
  if state == "open" then
    return true
  end
  if state == "out" or state == "cooling" and now < cooldown.till then
    return false
  end
  return cooldown.under_way < (state == "ramping" and cooldown.allowed or 1)
end

local function leave(cooldown)
  if cooldown.state == "cooling" then
    cooldown.state, cooldown.allowed = "probing", 1
  end
  cooldown.under_way = cooldown.under_way + 1
  return cooldown.round
end

local function come_back(cooldown, left_in)
  if left_in == cooldown.round then
    cooldown.under_way = math.max(0, cooldown.under_way - 1)
  end
end

local function close(cooldown)
  cooldown.round, cooldown.under_way = cooldown.round + 1, 0
end

local function succeed(cooldown, left_in)
  if cooldown.state == "cooling" or cooldown.state == "out" or left_in ~= cooldown.round then
    return
  end
  cooldown.streak = 0
  if cooldown.state == "open" then
    return
  end
  cooldown.state, cooldown.allowed = "ramping", cooldown.allowed * 2
  if cooldown.allowed >= RAMP_CLOSES_AT then
    cooldown.state, cooldown.cause = "open", ""
  end
end

local function cool(cooldown, till, cause, left_in)
  if cooldown.state == "out" then
    return
  end
  if left_in == cooldown.round then
    cooldown.streak = cooldown.streak + 1
    close(cooldown)
  end
  cooldown.state, cooldown.cause, cooldown.till = "cooling", cause, math.max(cooldown.till, till)
end

local function fail(cooldown, till, cause, left_in, at_once)
  if at_once or cooldown.state == "cooling" then
    cool(cooldown, till, cause, left_in)
  elseif left_in ~= cooldown.round then
    return
  elseif cooldown.state ~= "open" or cooldown.streak + 1 >= BREAKER_FAILURES then
    cool(cooldown, till, cause, left_in)
  else
    cooldown.streak = cooldown.streak + 1
  end
end

local function take_out(cooldown, cause)
  if cooldown.state ~= "out" then
    cooldown.streak = cooldown.streak + 1
    close(cooldown)
  end
  cooldown.state, cooldown.cause = "out", cause
end

local function revive(cooldown)
  if cooldown.state == "out" then
    cooldown.state, cooldown.allowed, cooldown.till = "probing", 1, -math.huge
  end
end

-- How long to stay away after `streak` ends of this kind in a row, when the provider did not say. The last one repeats.
local function wait_s(wait, streak)
  return wait.derived[math.min(math.max(streak, 1), #wait.derived)]
end

-- Until when to stay away. Where what was asked for did not help before, it is not enough.
local function till_when(cooldown, wait, left_in, ended_at)
  local streak = cooldown.streak + (left_in == cooldown.round and 1 or 0)
  if not wait.asked then
    return ended_at + wait_s(wait, streak)
  end
  local least = streak > 1 and wait_s(wait, streak - 1) or 0
  return ended_at + math.min(math.max(least, wait.asked), wait.most)
end
