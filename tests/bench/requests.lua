-- SPDX-License-Identifier: BSD-2-Clause
-- For wrk: random keys out of KEYS, all requests made before the first is sent, so that the script costs little more
-- than an index. REQUEST: get, set (value in the query), put (value in the body), webdis_get, webdis_set, webdis_put,
-- etcd_get, etcd_set. Ends with a line "RESULT requests microseconds errors p50-us p99-us".
local keys = tonumber(os.getenv("KEYS") or "1000000")
local kind = os.getenv("REQUEST") or "get"
local count = tonumber(os.getenv("REQUESTS_MADE") or "200000")
local requests, at = {}, 0

local function value()
	local letters = {}
	for i = 0, 99 do letters[i + 1] = string.char(97 + i * 7 % 26) end
	return table.concat(letters)
end

local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
	local out = {}
	for i = 1, #text, 3 do
		local a, b, c = text:byte(i, i + 2)
		local bits = a * 65536 + (b or 0) * 256 + (c or 0)
		for j = 3, 0, -1 do
			local digit = math.floor(bits / 64 ^ j) % 64
			out[#out + 1] = (j == 0 and not c or j == 1 and not b) and "=" or digits:sub(digit + 1, digit + 1)
		end
	end
	return table.concat(out)
end

local json = { ["Content-Type"] = "application/json" }

local forms = {
	get = function(key) return wrk.format("GET", "/get?key=" .. key) end,
	set = function(key, v) return wrk.format("POST", "/set?key=" .. key .. "&value=" .. v) end,
	put = function(key, v) return wrk.format("PUT", "/set?key=" .. key, nil, v) end,
	webdis_get = function(key) return wrk.format("GET", "/GET/" .. key .. ".txt") end,
	webdis_set = function(key, v) return wrk.format("GET", "/SET/" .. key .. "/" .. v) end,
	webdis_put = function(key, v) return wrk.format("PUT", "/SET/" .. key, nil, v) end,
	etcd_get = function(key)
		return wrk.format("POST", "/v3/kv/range", json, '{"key":"' .. base64(key) .. '","serializable":true}')
	end,
	etcd_set = function(key, v)
		return wrk.format("POST", "/v3/kv/put", json, '{"key":"' .. base64(key) .. '","value":"' .. base64(v) .. '"}')
	end,
}

function init(args)
	local form, v = forms[kind], value()
	math.randomseed(tonumber(os.getenv("SEED") or "1"))
	for i = 1, count do
		requests[i] = form(string.format("k%015d", math.random(0, keys - 1)), v)
	end
end

function request()
	at = at % count + 1
	return requests[at]
end

function done(summary, latency, all)
	local e = summary.errors
	io.write(string.format("RESULT %d %d %d %.0f %.0f\n", summary.requests, summary.duration,
		e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
