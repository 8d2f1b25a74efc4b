-- Where the library is looked for. Each case is a program of its own.
local PROGRAM = "local ok, name = pcall(function() " ..
    "return require('netconnpool.loader').name end) io.write(tostring(name))"

local function run(environment)
    local command = ("env -u LUA_CPATH -u NETCONNPOOL_LIBRARY %s luajit -e %q 2>&1")
        :format(environment, PROGRAM)
    local pipe = assert(io.popen(command))
    local said = pipe:read("*a")
    pipe:close()
    return said
end

local library = assert(os.getenv("NETCONNPOOL_LIBRARY"))

describe("the library", function()
    local folder

    before_each(function()
        folder = os.tmpname()
        os.remove(folder)
        assert(os.execute("mkdir -p " .. folder .. "/netconnpool") == 0)
    end)

    after_each(function()
        os.execute("rm -rf " .. folder)
    end)

    it("is that of the environment first", function()
        assert.equal(library, run("NETCONNPOOL_LIBRARY=" .. library))
    end)

    it("is found along package.cpath", function()
        local path = folder .. "/netconnpool/libnetconnpool.so"
        assert(os.execute(("ln -s %s %s"):format(library, path)) == 0)
        assert.equal(path, run(("LUA_CPATH='%s/?.so'"):format(folder)))
    end)

    it("is that of the system else, by its version or its name", function()
        local path = folder .. "/libnetconnpool.so.0"
        assert(os.execute(("ln -s %s %s"):format(library, path)) == 0)
        assert.equal("libnetconnpool.so.0", run("LD_LIBRARY_PATH=" .. folder))
        assert(os.rename(path, folder .. "/libnetconnpool.so"))
        assert.equal("netconnpool", run("LD_LIBRARY_PATH=" .. folder))
    end)

    it("is missed with every place that was tried", function()
        local said = run("NETCONNPOOL_LIBRARY=/no/such/file LD_LIBRARY_PATH=/none")
        for _, text in ipairs({"/no/such/file ($NETCONNPOOL_LIBRARY)", "package.cpath",
            "libnetconnpool.so.0", "netconnpool (the system's libraries)"}) do
            assert.is_truthy(said:find(text, 1, true), said)
        end
    end)

    it("that is no such library is passed over", function()
        local said = run("NETCONNPOOL_LIBRARY=libc.so.6 LD_LIBRARY_PATH=/none")
        assert.is_truthy(said:find("it has no ncp_version()", 1, true), said)
    end)
end)
