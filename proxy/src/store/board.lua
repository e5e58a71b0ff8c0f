-- The board: small values all replicas read. One step per call, so two writers cannot cross.
--
-- KEYS[1]  hash: key -> "<version> <expires at, ms since 1970, or 0> <value>"
-- KEYS[2]  hash: epoch (drawn by the first caller), version (of the last change)
-- ARGV     operation, key or prefix, expected version ("any", or 0 for none), time to live in ms or 0,
--          an epoch for a board that has none, value
-- Returns  publish: made (0 or 1), version    remove: made, 1 or version found (0: held nothing)
--          version: epoch, version            list: epoch, then per entry: key, version, ms left, value

local operation, name, expected, ttl = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local function text(number)
    return string.format('%.0f', number)
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

redis.call('HSETNX', KEYS[2], 'epoch', ARGV[5])
local epoch = redis.call('HGET', KEYS[2], 'epoch')

local function parts(held)
    local version, expires, value = string.match(held, '^(%d+) (%d+) (.*)$')
    return tonumber(version), tonumber(expires), value
end

-- The version `name` holds now, 0 for none; what is over goes.
local function found()
    local held = redis.call('HGET', KEYS[1], name)
    if not held then
        return 0
    end
    local version, expires = parts(held)
    if expires > 0 and expires <= now then
        redis.call('HDEL', KEYS[1], name)
        return 0
    end
    return version
end

if operation == 'version' then
    return {epoch, redis.call('HGET', KEYS[2], 'version') or '0'}
end

if operation == 'list' then
    local answer = {epoch}
    local fields = redis.call('HGETALL', KEYS[1])
    for field = 1, #fields, 2 do
        local key = fields[field]
        local version, expires, value = parts(fields[field + 1])
        if expires > 0 and expires <= now then
            redis.call('HDEL', KEYS[1], key)
        elseif string.sub(key, 1, #name) == name then
            answer[#answer + 1] = key
            answer[#answer + 1] = text(version)
            answer[#answer + 1] = text(expires > 0 and expires - now or 0)
            answer[#answer + 1] = value
        end
    end
    return answer
end

local there = found()
if expected ~= 'any' and tonumber(expected) ~= there then
    return {0, text(there)}
end
if operation == 'remove' then
    if there > 0 then
        redis.call('HDEL', KEYS[1], name)
        redis.call('HINCRBY', KEYS[2], 'version', 1)
        return {1, '1'}
    end
    return {1, '0'}
end
local version = redis.call('HINCRBY', KEYS[2], 'version', 1)
local expires = ttl > 0 and now + ttl or 0
redis.call('HSET', KEYS[1], name, text(version) .. ' ' .. text(expires) .. ' ' .. ARGV[6])
return {1, text(version)}
