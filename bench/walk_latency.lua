-- As walk.lua, and prints the 99th percentile of the latency, in microseconds, behind its figures.
local requests, position = {}, 0

function init(arguments)
    for path in io.lines(arguments[1]) do
        requests[#requests + 1] = wrk.format("GET", path)
    end
end

function request()
    position = position % #requests + 1
    return requests[position]
end

function done(summary, latency)
    local failed = summary.errors
    print(string.format("figures %d %d %d %d", summary.requests, summary.duration,
        failed.connect + failed.read + failed.write + failed.timeout + failed.status, latency:percentile(99)))
end
