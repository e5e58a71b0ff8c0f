-- The register of leases, one step for a batch of slots. `Register::answer` in the ledger is the same step
-- in Rust, and a property test holds the two equal.
--
-- KEYS[1]          the epoch: "<run id> <milliseconds since 1970>"
-- KEYS[2..]        one hash per slot: replica's name -> "<life> <granted> <returned>"
-- ARGV[1]          the epoch the caller knows, or ""
-- ARGV[2]          length of the grace period in milliseconds
-- ARGV[3..]        per slot: name, life, granted, returned, want, least, ceiling, milliseconds to keep it
-- Returns          run id, since, grace (0 or 1), then per slot: granted, returned, room, stale (0 or 1)

local MAX = 9007199254740991

local function text(number)
    return string.format('%.0f', number)
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')

local known = redis.call('GET', KEYS[1])
local since
if known then
    local its_run, its_since = string.match(known, '^(%w+) (%d+)$')
    if its_run == run and tonumber(its_since) <= now then
        since = tonumber(its_since)
    end
end
if not since then
    since = now
    redis.call('SET', KEYS[1], run .. ' ' .. text(since))
end
local grace = now < since + tonumber(ARGV[2])
local current = ARGV[1] == run .. ' ' .. text(since)

local answer = {run, text(since), grace and 1 or 0}

local function put(granted, returned, room, stale)
    answer[#answer + 1] = text(granted)
    answer[#answer + 1] = text(returned)
    answer[#answer + 1] = text(room)
    answer[#answer + 1] = stale
end

for index = 2, #KEYS do
    local at = 3 + (index - 2) * 8
    local name, life = ARGV[at], tonumber(ARGV[at + 1])
    local granted, returned = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    local want, least = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
    local ceiling, keep = tonumber(ARGV[at + 6]), ARGV[at + 7]

    local held, stale = 0, false
    local fields = redis.call('HGETALL', KEYS[index])
    for field = 1, #fields, 2 do
        local its_life, its_granted, its_returned =
            string.match(fields[field + 1], '^(%d+) (%d+) (%d+)$')
        its_life, its_granted, its_returned = tonumber(its_life), tonumber(its_granted), tonumber(its_returned)
        if fields[field] ~= name then
            held = held + (its_granted - its_returned)
        elseif its_life > life then
            stale = true
        elseif its_life < life then
            granted = math.max(granted, its_granted - its_returned)
        else
            granted = math.max(granted, its_granted)
            returned = math.max(returned, its_returned)
        end
    end

    if stale then
        put(0, 0, 0, 1)
    else
        held = held + (granted - returned)
        local room = math.max(0, ceiling - held)
        local piece = math.min(want, room)
        if not current or grace or piece < least or granted + piece > MAX then
            piece = 0
        end
        granted = granted + piece
        redis.call('HSET', KEYS[index], name, text(life) .. ' ' .. text(granted) .. ' ' .. text(returned))
        redis.call('PEXPIRE', KEYS[index], keep)
        put(granted, returned, room - piece, 0)
    end
end

return answer
