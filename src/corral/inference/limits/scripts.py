"""The steps of `RedisLedger` that Redis does as one: Lua scripts, which run while nothing else does.

Keys of a counter: for a window a hash from second to amount; for requests under way a sorted set of owners by the end of their
lease; for a budget a hash (`s` spent, `h` held by all, `o:OWNER` held by one) and beside it such a sorted set. A lease that ends
belongs to a server that died: its place is free, its money counts as spent, because nobody knows.

Times are Redis' own, in milliseconds, so servers with wrong clocks agree. Numbers are written with `%.0f`, since Lua would write
large ones with an exponent.
"""

from __future__ import annotations

_BEGIN = """
local now
if ARGV[1] ~= '' then
  now = tonumber(ARGV[1])
else
  local t = redis.call('TIME')
  now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local second = math.floor(now / 1000)
local function whole(x) return string.format('%.0f', x) end
local function field(key, name) return tonumber(redis.call('HGET', key, name) or '0') end
local function expire(hash, set)
  local gone = redis.call('ZRANGEBYSCORE', set, '-inf', whole(now), 'LIMIT', 0, 500)
  for _, owner in ipairs(gone) do
    local held = field(hash, 'o:' .. owner)
    redis.call('HINCRBY', hash, 's', whole(held))
    redis.call('HINCRBY', hash, 'h', whole(-held))
    redis.call('HDEL', hash, 'o:' .. owner)
    redis.call('ZREM', set, owner)
  end
end
"""

TAKE = (
    _BEGIN
    + """
-- ARGV: now, owner, window in seconds, lease in milliseconds, takes as JSON [[measure, limit, amount, least, end], ...]
-- KEYS: two a take, then the servers. Answers {1, second, amount, used, reset, ...} or {0, index, used, reset, frees}, times in
-- milliseconds, and behind either how many servers there are.
local owner, window, lease = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local takes = cjson.decode(ARGV[5])
local amounts, useds = {}, {}
for i, take in ipairs(takes) do
  local measure, limit, amount, least, ends = take[1], take[2], take[3], take[4], take[5]
  local key, set = KEYS[2 * i - 1], KEYS[2 * i]
  local used, reset, frees = 0, 0, 1000
  if measure == 'concurrent' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now))
    used = redis.call('ZCARD', key)
  elseif measure == 'budget' then
    expire(key, set)
    used = field(key, 's') + field(key, 'h')
    reset = ends - now
    frees = reset
  else
    local all = redis.call('HGETALL', key)
    local seconds = {}
    for j = 1, #all, 2 do
      local at = tonumber(all[j])
      if at < second - window then
        redis.call('HDEL', key, all[j])
      else
        used = used + tonumber(all[j + 1])
        seconds[#seconds + 1] = {at, tonumber(all[j + 1])}
      end
    end
    if used + least > limit then
      table.sort(seconds, function(a, b) return a[1] < b[1] end)
      local left = used
      frees = (window + 1) * 1000
      for _, one in ipairs(seconds) do
        reset = (one[1] + window + 1) * 1000 - now
        if left + least > limit then
          left = left - one[2]
          if left + least <= limit then frees = reset end
        end
      end
    else
      reset = (second + window + 1) * 1000 - now
    end
  end
  if used + least > limit then return {0, i, used, reset, frees, redis.call('ZCARD', KEYS[#KEYS])} end
  amounts[i] = math.min(amount, limit - used)
  useds[i] = {used + amounts[i], reset}
end
local told = {1, second}
for i, take in ipairs(takes) do
  local measure, ends = take[1], take[5]
  local key, set = KEYS[2 * i - 1], KEYS[2 * i]
  if measure == 'concurrent' then
    redis.call('ZADD', key, whole(now + lease), owner)
    redis.call('PEXPIRE', key, lease * 2)
  elseif measure == 'budget' then
    redis.call('HINCRBY', key, 'h', whole(amounts[i]))
    redis.call('HINCRBY', key, 'o:' .. owner, whole(amounts[i]))
    redis.call('ZADD', set, whole(now + lease), owner)
    redis.call('PEXPIRE', key, whole(math.max(ends - now, 0) + 86400000))
    redis.call('PEXPIRE', set, whole(math.max(ends - now, 0) + 86400000))
  else
    redis.call('HINCRBY', key, whole(second), whole(amounts[i]))
    redis.call('PEXPIRE', key, (window + 2) * 1000)
  end
  told[#told + 1] = amounts[i]
  told[#told + 1] = useds[i][1]
  told[#told + 1] = useds[i][2]
end
told[#told + 1] = redis.call('ZCARD', KEYS[#KEYS])
return told
"""
)

SETTLE = (
    _BEGIN
    + """
-- ARGV: now, owner, window in seconds, [[measure, held, actual, second, end], ...] as JSON. KEYS: two each, and last a mark
-- that this was done, so that it can be told again when nobody knows whether it was. An `actual` below 0 keeps what a window counted. What a budget holds is read here: the caller may not know.
if not redis.call('SET', KEYS[#KEYS], '1', 'NX', 'PX', 600000) then return 0 end
local owner, window = ARGV[2], tonumber(ARGV[3])
for i, one in ipairs(cjson.decode(ARGV[4])) do
  local measure, held, actual, at, ends = one[1], one[2], one[3], one[4], one[5]
  local key, set = KEYS[2 * i - 1], KEYS[2 * i]
  if measure == 'concurrent' then
    redis.call('ZREM', key, owner)
  elseif measure == 'budget' then
    local there = redis.call('HGET', key, 'o:' .. owner)
    if there then
      redis.call('HINCRBY', key, 'h', whole(-tonumber(there)))
      redis.call('HDEL', key, 'o:' .. owner)
      redis.call('ZREM', set, owner)
      redis.call('HINCRBY', key, 's', whole(actual))
    elseif actual ~= held then
      redis.call('HINCRBY', key, 's', whole(actual - held))
    end
    redis.call('PEXPIRE', key, whole(math.max(ends - now, 0) + 86400000))
  elseif actual >= 0 and actual ~= held then
    if redis.call('HEXISTS', key, whole(at)) == 1 and at >= second - window then
      redis.call('HINCRBY', key, whole(at), whole(actual - held))
    elseif actual > held then
      redis.call('HINCRBY', key, whole(second), whole(actual - held))
      redis.call('PEXPIRE', key, (window + 2) * 1000)
    end
  end
end
return 1
"""
)

SEED = (
    _BEGIN
    + """
-- ARGV: now, spent, end. KEYS: the hash of a budget.
if field(KEYS[1], 's') < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 's', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], whole(math.max(tonumber(ARGV[3]) - now, 0) + 86400000))
end
return 1
"""
)

BEAT = (
    _BEGIN
    + """
-- ARGV: now, replica, its lease in milliseconds, owner, lease, owner, lease, ... KEYS: the set of replicas, then sets of leases.
-- Answers how many servers there are.
redis.call('ZADD', KEYS[1], whole(now + tonumber(ARGV[3])), ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', whole(now))
for i = 2, #KEYS do
  redis.call('ZADD', KEYS[i], 'XX', whole(now + tonumber(ARGV[2 * i + 1])), ARGV[2 * i])
end
return redis.call('ZCARD', KEYS[1])
"""
)
