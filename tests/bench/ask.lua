-- wrk's side: the same question from each key in turn; what came of it as one line of JSON.
local requests, turn = {}, 0

function init(args)
    local body = args[2]
    for key in io.lines(args[1]) do
        local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. key }
        requests[#requests + 1] = wrk.format("POST", "/v1/chat/completions", headers, body)
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end

function done(summary, latency, _)
    local errors = summary.errors
    io.write(string.format(
        'JSON {"requests":%d,"seconds":%.6f,"bad_status":%d,"broken":%d,"p50_ms":%.3f,"p99_ms":%.3f}\n',
        summary.requests, summary.duration / 1e6, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
