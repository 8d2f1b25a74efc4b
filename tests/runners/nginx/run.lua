-- The location that is given a document and answers with the verdict, both JSON.
--
-- SPDX-License-Identifier: BSD-3-Clause
local json = require("cjson")
local place = require("place")
local scenario = require("runner.scenario")

ngx.req.read_body()
local document = json.decode(ngx.req.get_body_data())
ngx.print(json.encode(scenario.run(document, place)))
ngx.eof()
ngx.exit(ngx.OK) -- threads that wait for ever end here
