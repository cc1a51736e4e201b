-- SPDX-License-Identifier: BSD-2-Clause
-- For wrk: random keys out of KEYS, all requests made before the first is sent, so that the script costs little more
-- than an index. REQUEST: get, set (value in the query), put (value in the body), webdis_get, webdis_set, webdis_put.
local keys = tonumber(os.getenv("KEYS") or "1000000")
local kind = os.getenv("REQUEST") or "get"
local count = tonumber(os.getenv("REQUESTS_MADE") or "200000")
local requests, at = {}, 0

local function value()
	local letters = {}
	for i = 0, 99 do letters[i + 1] = string.char(97 + i * 7 % 26) end
	return table.concat(letters)
end

local forms = {
	get = function(key) return wrk.format("GET", "/get?key=" .. key) end,
	set = function(key, v) return wrk.format("POST", "/set?key=" .. key .. "&value=" .. v) end,
	put = function(key, v) return wrk.format("PUT", "/set?key=" .. key, nil, v) end,
	webdis_get = function(key) return wrk.format("GET", "/GET/" .. key .. ".txt") end,
	webdis_set = function(key, v) return wrk.format("GET", "/SET/" .. key .. "/" .. v) end,
	webdis_put = function(key, v) return wrk.format("PUT", "/SET/" .. key, nil, v) end,
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
