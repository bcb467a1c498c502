-- The requests of wrk. WORK names the endpoint; TOKENS, SNACKS and STOCK are files with one access token or uid per line.
-- The requests are spread over all users and snacks, and each of them succeeds.

local work = os.getenv("WORK")
local first = tonumber(os.getenv("FIRST") or "0")

local function lines(path)
    local all = {}
    for line in io.lines(path) do
        all[#all + 1] = line
    end
    return all
end

local tokens, snacks = lines(os.getenv("TOKENS")), lines(os.getenv("SNACKS"))
local stock = os.getenv("STOCK") and lines(os.getenv("STOCK")) or {}
local headers = {}
for at, token in ipairs(tokens) do
    headers[at] = { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" }
end
local plain = { ["Content-Type"] = "application/json" }
-- Global, because `done` reads it: the next run continues there.
count = first

-- 7919 has no common divisor with the numbers of users and snacks, so that successive requests differ in both.
local function user(at) return headers[(at * 7919) % #headers + 1] end
local function snack(at, among) return snacks[(at * 31) % among + 1] end

-- Each pair of user and snack gets a like, then a hate, and so on, so that no reaction exists already.
local function react(among)
    local who, rest = count % #headers, math.floor(count / #headers)
    local kind = math.floor(rest / among) % 2 == 0 and "like" or "hate"
    -- The same user reacts to another snack each time, and successive users react to different snacks.
    local uid = snacks[(rest + who) % among + 1]
    return wrk.format("POST", "/snacks/" .. uid .. "/reaction", headers[who + 1], '{"type":"' .. kind .. '"}')
end

local works = {
    list = function() return wrk.format("GET", "/snacks", user(count)) end,
    detail = function() return wrk.format("GET", "/snacks/" .. snack(count, #snacks), user(count)) end,
    reaction = function() return react(#snacks) end,
    hot = function() return react(10) end,
    orders = function() return wrk.format("GET", "/orders", user(count)) end,
    order = function()
        local at, body = (count * 3) % (#stock - 3), {}
        for line = 1, 3 do
            body[line] = '{"uid":"' .. stock[at + line] .. '","quantity":2}'
        end
        return wrk.format("POST", "/orders", user(count), '{"snacks":[' .. table.concat(body, ",") .. "]}")
    end,
    token = function()
        local body = '{"username":"user' .. (count % #headers + 1) .. '@bench.example","password":"korea-snack-9"}'
        return wrk.format("POST", "/auth/token", plain, body)
    end,
    summary = function() return wrk.format("GET", "/statistics/summary?unit=month&year=" .. os.getenv("YEAR"), user(count)) end,
    live = function() return wrk.format("GET", "/health/live") end,
}

function request()
    count = count + 1
    return works[work]()
end

local threads = {}
function setup(thread) threads[#threads + 1] = thread end

function done(summary, latency)
    local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
        + summary.errors.timeout
    io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
        latency:percentile(99), failed, threads[1]:get("count")))
end
