/*
 * PUC Lua, 5.3 and later: integers are integers, true is what has nothing else to
 * say, and what failed is nil, a text, the short name of the status, and the
 * host's code when there is one.
 */
%{
#include <ctype.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#if LUA_VERSION_NUM < 503
#error "numbers have to be integers: Lua 5.3 or later"
#endif

/* ----------------------------------------------------------------------- objects */

/* The object of a class of ours; raises an error for anything else. */
static swig_lua_userdata *ncp_lua_check(lua_State *L, int index,
                                        const swig_type_info *type)
{
    const swig_lua_class *class = type->clientdata;
    swig_lua_userdata *object = lua_touserdata(L, index);
    int same = 0;
    if (object != NULL && lua_getmetatable(L, index)) {
        SWIG_Lua_get_class_metatable(L, class->fqname);
        same = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
    }
    if (!same)
        luaL_argerror(L, index,
                      lua_pushfstring(L, "%s expected, got %s", class->name,
                                      luaL_typename(L, index)));
    if (object->ptr == NULL)
        luaL_argerror(L, index,
                      lua_pushfstring(L, "this %s was freed", class->name));
    return object;
}

/* What an object stands for; NULL for nil. */
static void *ncp_lua_object(lua_State *L, int index, const swig_type_info *type)
{
    return lua_isnil(L, index) ? NULL : ncp_lua_check(L, index, type)->ptr;
}

/* The same, and the object is empty from now on. */
static void *ncp_lua_given(lua_State *L, int index, const swig_type_info *type)
{
    swig_lua_userdata *object = ncp_lua_check(L, index, type);
    void *pointer = object->ptr;
    object->ptr = NULL;
    object->own = 0;
    return pointer;
}

/* The finaliser. It empties the object, which the finaliser of another one may
 * still see. */
static int ncp_lua_finalise(lua_State *L)
{
    swig_lua_userdata *object = lua_touserdata(L, 1);
    const swig_lua_class *class = object->type->clientdata;
    void *pointer = object->own ? object->ptr : NULL;
    object->ptr = NULL;
    object->own = 0;
    if (pointer != NULL)
        class->destructor(pointer);
    return 0;
}

static void ncp_lua_add_finaliser(lua_State *L, const swig_type_info *type)
{
    const swig_lua_class *class = type->clientdata;
    SWIG_Lua_get_class_metatable(L, class->fqname);
    lua_pushcfunction(L, ncp_lua_finalise);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

/* ----------------------------------------------------------------------- numbers */

static int ncp_lua_int(lua_State *L, int index)
{
    lua_Integer number = luaL_checkinteger(L, index);
    if (number < INT_MIN || number > INT_MAX)
        luaL_argerror(L, index, "number out of range");
    return (int)number;
}

static int ncp_lua_boolean(lua_State *L, int index)
{
    return lua_isinteger(L, index) ? lua_tointeger(L, index) != 0
                                   : lua_toboolean(L, index);
}

static void ncp_lua_numbers(lua_State *L, const uint64_t *numbers, size_t count)
{
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushinteger(L, (lua_Integer)numbers[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void ncp_lua_counters(lua_State *L, const uint64_t *values)
{
    const char *name;
    lua_newtable(L);
    for (int i = 0; ncp_counter_at(i, NULL, &name, NULL, NULL) == NCP_OK; i++) {
        lua_pushinteger(L, (lua_Integer)values[i]);
        lua_setfield(L, -2, name);
    }
}

/* ---------------------------------------------------------------- events, errors */

static void ncp_lua_event(lua_State *L, const ncp_event *event,
                          swig_type_info *type)
{
    ncp_event *copy = ncp_glue_copy(event);
    if (copy == NULL)
        luaL_error(L, "%s", ncp_status_text(NCP_ENOMEM));
    SWIG_NewPointerObj(L, copy, type, 1);
}

static void ncp_lua_events(lua_State *L, const ncp_event *events, int count,
                           swig_type_info *type)
{
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        ncp_lua_event(L, &events[i], type);
        lua_rawseti(L, -2, i + 1);
    }
}

/* "NCP_ETIMEOUT" is "timeout". */
static void ncp_lua_name(lua_State *L, int status)
{
    const char *name = ncp_status_name(status) + strlen("NCP_");
    char small[64];
    size_t length = 0;
    if (status != NCP_OK && *name == 'E')
        name++;
    for (; name[length] != '\0' && length + 1 < sizeof small; length++)
        small[length] = (char)tolower((unsigned char)name[length]);
    lua_pushlstring(L, small, length);
}

static int ncp_lua_fail(lua_State *L, int status, const char *text,
                        int64_t code)
{
    lua_pushnil(L);
    lua_pushstring(L, text);
    ncp_lua_name(L, status);
    if (code != 0)
        lua_pushinteger(L, (lua_Integer)code);
    return code != 0 ? 4 : 3;
}

/* What went wrong, after results that there are all the same. */
static int ncp_lua_said(lua_State *L, int status)
{
    if (status == NCP_OK)
        return 0;
    lua_pushstring(L, ncp_status_text(status));
    ncp_lua_name(L, status);
    return 2;
}

/* ------------------------------------------------------------------- descriptors */

/* Lua has no sockets of its own: enough to talk over those of the library. */

static int ncp_lua_errno(lua_State *L)
{
    return ncp_lua_fail(L, NCP_ESYS, strerror(errno), errno);
}

static int64_t ncp_lua_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 1 when the descriptor is ready, 0 when the time has passed, -1 with errno. */
static int ncp_lua_wait_fd(int fd, short events, int64_t until_ms)
{
    struct pollfd wanted = {.fd = fd, .events = events};
    for (;;) {
        int64_t left_ms = until_ms < 0 ? -1 : until_ms - ncp_lua_now_ms();
        if (until_ms >= 0 && left_ms < 0)
            left_ms = 0;
        int ready = poll(&wanted, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
        if (ready >= 0 || errno != EINTR)
            return ready;
    }
}

/* The deadline that an optional number of milliseconds means; below 0 none. */
static int64_t ncp_lua_deadline(lua_State *L, int index)
{
    lua_Integer timeout_ms = luaL_optinteger(L, index, -1);
    return timeout_ms < 0 ? -1 : ncp_lua_now_ms() + timeout_ms;
}

/* Whether a send or receive that failed is to be tried again; if not, the results
 * of the function are pushed and counted. */
static bool ncp_lua_again(lua_State *L, int fd, short events, int64_t until_ms,
                          int *results)
{
    int ready = 1;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        ready = ncp_lua_wait_fd(fd, events, until_ms);
    else if (errno != EINTR)
        ready = -1;
    if (ready > 0)
        return true;
    *results = ready < 0 ? ncp_lua_errno(L)
                         : ncp_lua_fail(L, NCP_ETIMEOUT,
                                        "the peer took too long", 0);
    return false;
}

/* ncp_fd_send(fd, text, timeout_ms): all of it. */
static int ncp_lua_fd_send(lua_State *L)
{
    size_t length, sent = 0;
    int fd = ncp_lua_int(L, 1), results;
    const char *text = luaL_checklstring(L, 2, &length);
    int64_t until_ms = ncp_lua_deadline(L, 3);
    while (sent < length) {
        ssize_t n = send(fd, text + sent, length - sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            sent += (size_t)n;
        else if (!ncp_lua_again(L, fd, POLLOUT, until_ms, &results))
            return results;
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* ncp_fd_receive(fd, max, timeout_ms): what there is, once there is something. */
static int ncp_lua_fd_receive(lua_State *L)
{
    int fd = ncp_lua_int(L, 1), results;
    lua_Integer max = luaL_checkinteger(L, 2);
    int64_t until_ms = ncp_lua_deadline(L, 3);
    luaL_argcheck(L, max > 0 && max <= 1 << 24, 2, "1 byte to 16 MB");
    luaL_Buffer buffer;
    char *room = luaL_buffinitsize(L, &buffer, (size_t)max);
    for (;;) {
        ssize_t n = recv(fd, room, (size_t)max, MSG_DONTWAIT);
        if (n > 0) {
            luaL_pushresultsize(&buffer, (size_t)n);
            return 1;
        }
        if (n == 0)
            return ncp_lua_fail(L, NCP_ECONNCLOSED,
                                ncp_status_text(NCP_ECONNCLOSED), 0);
        if (!ncp_lua_again(L, fd, POLLIN, until_ms, &results))
            return results;
    }
}

/* ncp_fd_close(fd) */
static int ncp_lua_fd_close(lua_State *L)
{
    if (close(ncp_lua_int(L, 1)) < 0)
        return ncp_lua_errno(L);
    lua_pushboolean(L, 1);
    return 1;
}

/* ------------------------------------------------------- what ncp_core.i asks for */

#define NCP_TAKE_INT(to, index) ((to) = ncp_lua_int(L, index))
#define NCP_TAKE_BOOLEAN(to, index) ((to) = ncp_lua_boolean(L, index))
#define NCP_ROOM(bytes) lua_newuserdatauv(L, bytes, 0)
#define NCP_GIVE_INTEGER(value)                                               \
    (lua_pushinteger(L, (lua_Integer)(value)), SWIG_arg++)
#define NCP_GIVE_UNSIGNED(value) NCP_GIVE_INTEGER(value)
#define NCP_GIVE_BOOLEAN(value) (lua_pushboolean(L, (value) != 0), SWIG_arg++)
#define NCP_GIVE_TEXT(text) ((void)lua_pushstring(L, text), SWIG_arg++)
#define NCP_GIVE_NOTHING() (lua_pushnil(L), SWIG_arg++)
#define NCP_GIVE_OBJECT(pointer, type)                                        \
    (SWIG_NewPointerObj(L, pointer, type, 1), SWIG_arg++)
#define NCP_GIVE_EVENT(event)                                                 \
    (ncp_lua_event(L, event, SWIGTYPE_p_ncp_event), SWIG_arg++)
#define NCP_GIVE_EVENTS(events, count)                                        \
    (ncp_lua_events(L, events, count, SWIGTYPE_p_ncp_event), SWIG_arg++)
#define NCP_GIVE_NUMBERS(numbers, count)                                      \
    (ncp_lua_numbers(L, numbers, count), SWIG_arg++)
#define NCP_GIVE_COUNTERS(values) (ncp_lua_counters(L, values), SWIG_arg++)
#define NCP_GIVE_SAID(status) (SWIG_arg += ncp_lua_said(L, status))
#define NCP_FAIL(status, text, code) return ncp_lua_fail(L, status, text, code)
#define NCP_NOTHING() return lua_pushnil(L), 1
#define NCP_DONE()                                                            \
    if (SWIG_arg == 0)                                                        \
    (lua_pushboolean(L, 1), SWIG_arg = 1)
%}

%native(ncp_fd_send) int ncp_lua_fd_send(lua_State *L);
%native(ncp_fd_receive) int ncp_lua_fd_receive(lua_State *L);
%native(ncp_fd_close) int ncp_lua_fd_close(lua_State *L);

%init %{
    ncp_lua_add_finaliser(L, SWIGTYPE_p_ncp_pool);
    ncp_lua_add_finaliser(L, SWIGTYPE_p_ncp_config);
    ncp_lua_add_finaliser(L, SWIGTYPE_p_ncp_queue);
    ncp_lua_add_finaliser(L, SWIGTYPE_p_ncp_cancel);
    ncp_lua_add_finaliser(L, SWIGTYPE_p_ncp_guard);
    ncp_lua_add_finaliser(L, SWIGTYPE_p_ncp_clock);
    ncp_lua_add_finaliser(L, SWIGTYPE_p_ncp_event);
%}

/* ---------------------------------------------------------------------- typemaps */

%typemap(in) SWIGTYPE *
    "$1 = ncp_lua_object(L, $input, $descriptor);"
%typemap(in) SWIGTYPE *GIVEN
    "$1 = ncp_lua_given(L, $input, $descriptor);"

%typemap(in) int
    "$1 = ncp_lua_int(L, $input);"
%typemap(in) long, long long, unsigned long, unsigned long long
    "$1 = ($type)luaL_checkinteger(L, $input);"
%typemap(out) short, long, long long, unsigned long, unsigned long long
    "NCP_GIVE_INTEGER($1);"

%typemap(consttab) long long
    {SWIG_LUA_CONSTTAB_INT("$symname", $value)}
