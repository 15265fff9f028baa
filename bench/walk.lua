-- For wrk: asks for one path after the other of a list, a file with a path a line, and prints one line of figures.
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
    print(string.format("figures %d %d %d", summary.requests, summary.duration,
        failed.connect + failed.read + failed.write + failed.timeout + failed.status))
end
