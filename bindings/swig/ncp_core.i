/*
 * netconnpool for languages that SWIG knows.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What is here holds for every language: which result goes out how, who owns
 * what, which int is a status and which a value. A language adds one file,
 * NAME/NAME.i, that says how it raises an error and how it is given a number, a
 * text, an object: the macros NCP_FAIL and NCP_GIVE_*. An idiomatic surface is
 * built from this module in the language itself (lua/ncp.lua, ruby/ncp.rb).
 *
 * The names are those of the C header, so its documentation holds. Nothing here
 * calls back into the language.
 */
%module ncp_core

%{
#include <netconnpool.h>

#include "glue.h"
%}

%include <stdint.i>

#if defined(SWIGLUA)
%include "lua/lua.i"
#elif defined(SWIGRUBY)
%include "ruby/ruby.i"
#else
#error there is no file for this language yet: see docs/swig.md
#endif

/* --------------------------------------------------------------------- objects */

%rename(Pool) ncp_pool;
%rename(Config) ncp_config;
%rename(Queue) ncp_queue;
%rename(Cancel) ncp_cancel;
%rename(Guard) ncp_guard;
%rename(Tap) ncp_tap;
%rename(Clock) ncp_clock;
%rename(Event) ncp_event;

/* An object is one handle, which its finaliser gives back. ncp_NAME_free() gives
 * it back at once: the object is empty then, and using it is an error. */
%nodefaultctor;
%define %ncp_object(name)
struct ncp_##name {};
%extend ncp_##name { ~ncp_##name() { ncp_##name##_free($self); } }
%ignore ncp_##name##_free;
%rename(ncp_##name##_free) ncp_given_##name##_free;
%typemap(in) ncp_##name *GIVEN = SWIGTYPE *GIVEN;
%inline %{
static void ncp_given_##name##_free(ncp_##name *GIVEN)
{
    ncp_##name##_free(GIVEN);
}
%}
%typemap(in, numinputs=0) ncp_##name **out (ncp_##name *made = NULL)
    "$1 = &made;"
%typemap(argout) ncp_##name **out
    "NCP_GIVE_OBJECT(*$1, $*1_descriptor);"
%enddef

%ncp_object(pool)
%ncp_object(config)
%ncp_object(queue)
#ifndef NCP_WITHOUT_CANCEL
%ncp_object(cancel)
#endif
%ncp_object(guard)
%ncp_object(tap)
%ncp_object(clock)

/* Another handle on the same pool. */
%newobject ncp_pool_ref;

/* A guard has one handle here, its object, which is empty after it was fired.
 * Freeing one, or forgetting it, fires it too. */
%ignore ncp_guard_ref;
%ignore ncp_guard_fire;
%rename(ncp_guard_fire) ncp_given_guard_fire;
%inline %{
static void ncp_given_guard_fire(ncp_guard *GIVEN)
{
    ncp_guard_fire(GIVEN);
}
%}

/* --------------------------------------------------------------------- events */

/* A copy that the language owns. */
%immutable;
%ignore ncp_event::pool;
%ignore ncp_event::reserved32;
%ignore ncp_event::spare;
%typemap(out) int32_t
    "NCP_GIVE_INTEGER($1);"
%extend ncp_event {
    ~ncp_event() { free($self); }
    /* The same number as ncp_pool_key() of its pool. */
    uint64_t pool_key;
}
%{
static uint64_t ncp_event_pool_key_get(const ncp_event *event)
{
    return ncp_pool_key(event->pool);
}
%}
%typemap(in, numinputs=0) ncp_event *out (ncp_event event)
    "$1 = &event;"
%typemap(argout) ncp_event *out
    "NCP_GIVE_EVENT($1);"

/* ------------------------------------------------- what an int says: the status */

%typemap(out) int
    "if ($1 < 0) NCP_FAIL($1, ncp_status_text($1), 0);"
%typemap(ret) int
    "NCP_DONE();"

/* A configuration says why it refused something. */
%define %ncp_reasoned(function)
%typemap(out) int function
    "if ($1 < 0) NCP_FAIL($1, ncp_glue_reason(arg1, $1), 0);"
%enddef
%ncp_reasoned(ncp_config_set_int)
%ncp_reasoned(ncp_config_get_int)
%ncp_reasoned(ncp_config_set)
%ncp_reasoned(ncp_config_validate)
%ncp_reasoned(ncp_pool_new)
%typemap(out) int ncp_target_check
    "if ($1 < 0) NCP_FAIL($1, arg2, 0);"
%typemap(out) int ncp_listen
    "if ($1 < 0) NCP_FAIL($1, ncp_glue_errno($1), 0);"

/* A get that failed says what was wrong with the dial, and the host's code. */
%define %ncp_coded(function, argument)
%typemap(out) int function {
    char said[NCP_GLUE_SENTENCE];
    if ($1 < 0)
        NCP_FAIL($1, ncp_glue_said(arg1, $1, said), argument->code);
}
%enddef
%ncp_coded(ncp_pool_borrow, arg7)
%ncp_coded(ncp_pool_acquire, arg8)
%ncp_coded(ncp_pool_fulfil, arg7)
%ncp_coded(ncp_pool_fail, arg6)
%ncp_coded(ncp_pool_checked, arg4)
%ncp_coded(ncp_ticket_take, arg3)
%ncp_coded(ncp_ticket_wait, arg4)

/* --------------------------------------------------- what an int says: a value */

%typemap(out) int ncp_version, int ncp_mode_parse, int ncp_protocol_parse,
    int ncp_ip_parse
    "NCP_GIVE_INTEGER($1);"

%typemap(out) int VALUE_OR_ERROR {
    if ($1 < 0)
        NCP_FAIL($1, ncp_status_text($1), 0);
    NCP_GIVE_INTEGER($1);
}
%apply int VALUE_OR_ERROR {
    int ncp_option_type, int ncp_pool_active_count, int ncp_pool_idle_count,
    int ncp_pool_waiting_count, int ncp_pool_dialing_count,
    int ncp_lease_keeps, int ncp_queue_fd
};

%typemap(out) int YES_OR_NO {
    if ($1 < 0)
        NCP_FAIL($1, ncp_status_text($1), 0);
    NCP_GIVE_BOOLEAN($1);
}
%apply int YES_OR_NO {
    int ncp_option_runtime, int ncp_pool_is_closed, int ncp_queue_ready,
    int ncp_fd_alive, int ncp_udp_has_data
};

%typemap(out) int ncp_lease_fd {
    if ($1 < -1)
        NCP_FAIL($1, ncp_status_text($1), 0);
    if ($1 < 0)
        NCP_GIVE_NOTHING();
    else
        NCP_GIVE_INTEGER($1);
}

/* ------------------------------------------------------------- numbers and texts */

%define %ncp_number_out(type, give, names...)
%typemap(in, numinputs=0) type *NUMBER (type number = 0)
    "$1 = &number;"
%typemap(argout) type *NUMBER
    "give(*$1);"
%apply type *NUMBER { names };
%enddef
%ncp_number_out(int, NCP_GIVE_INTEGER, int *out, int *kind, int *level,
    int *protocol, int *ip)
%ncp_number_out(int64_t, NCP_GIVE_INTEGER, int64_t *out, int64_t *def,
    int64_t *min, int64_t *max)
%ncp_number_out(uint64_t, NCP_GIVE_UNSIGNED, uint64_t *out, uint64_t *conn_id)
%ncp_number_out(ncp_lease, NCP_GIVE_UNSIGNED, ncp_lease *out)

%typemap(in, numinputs=0) const char **TEXT (const char *text = NULL)
    "$1 = ($1_ltype)&text;"
%typemap(argout) const char **TEXT
    "NCP_GIVE_TEXT(*$1);"
%apply const char **TEXT {
    const char **name, const char **unit, const char **help
};

/* A text as long as it is: asked for its length first. */
%define %ncp_text(function, buffer, length, arguments...)
%typemap(out) int function
    "if ($1 < 0) NCP_FAIL($1, ncp_status_text($1), 0);"
%feature("action") function {
    result = function(arguments, NULL, 0);
    if (result >= 0) {
        length = (size_t)result + NCP_GLUE_MORE;
        buffer = NCP_ROOM(length);
        result = function(arguments, buffer, length);
    }
}
%enddef
%typemap(in, numinputs=0) (char *buffer, size_t size)
    "$1 = NULL; $2 = 0;"
%typemap(argout) (char *buffer, size_t size)
    "NCP_GIVE_TEXT($1);"
%ncp_text(ncp_config_get, arg3, arg4, arg1, arg2)
%ncp_text(ncp_lease_stack, arg3, arg4, arg1, arg2)
%ncp_text(ncp_pool_describe, arg2, arg3, arg1)

/* level, connection, line; or nothing. */
%feature("action") ncp_pool_log_next {
    char line[NCP_GLUE_LINE];
    arg5 = sizeof line;
    result = ncp_pool_log_next(arg1, arg2, arg3, line, arg5);
    if (result > 0)
        arg4 = strcpy(NCP_ROOM(sizeof line), line);
}
%typemap(out) int ncp_pool_log_next {
    if ($1 < 0)
        NCP_FAIL($1, ncp_status_text($1), 0);
    if ($1 == 0)
        NCP_NOTHING();
}

%typemap(in, numinputs=0) (char *reason, size_t size)
    (char sentence[NCP_GLUE_SENTENCE])
    "$1 = sentence; $2 = sizeof sentence;"
%typemap(argout) (char *reason, size_t size) ""

/* The descriptor; a failure says which errno, and a sentence. */
%typemap(in, numinputs=0) (int64_t *code, char *text, size_t size)
    (int64_t code, char sentence[NCP_GLUE_SENTENCE])
    "$1 = &code; $2 = sentence; $3 = sizeof sentence;"
%typemap(argout) (int64_t *code, char *text, size_t size) ""
%typemap(out) int ncp_pool_dial_target
    "if ($1 < 0) NCP_FAIL($1, ncp_glue_sentence($1, arg6), *arg5);"

/* code, age_ms, count, text of the last failed dial; or nothing. */
%typemap(in, numinputs=0)
    (int64_t *code, int64_t *age_ms, uint64_t *count, char *text, size_t size)
    (int64_t code, int64_t age, uint64_t count, char sentence[NCP_GLUE_SENTENCE])
    "$1 = &code; $2 = &age; $3 = &count; $4 = sentence; $5 = sizeof sentence;"
%typemap(argout)
    (int64_t *code, int64_t *age_ms, uint64_t *count, char *text, size_t size) {
    NCP_GIVE_INTEGER(*$1);
    NCP_GIVE_INTEGER(*$2);
    NCP_GIVE_UNSIGNED(*$3);
    NCP_GIVE_TEXT($4);
}
%typemap(out) int ncp_pool_dial_error {
    if ($1 == NCP_ENOTFOUND)
        NCP_NOTHING();
    if ($1 < 0)
        NCP_FAIL($1, ncp_status_text($1), 0);
}

/* ------------------------------------------------------------------------- lists */

/* The counters by name. */
%typemap(in, numinputs=0) (uint64_t *values, size_t count)
    (uint64_t counters[NCP_GLUE_COUNTERS])
    "$1 = counters; $2 = NCP_GLUE_COUNTERS;"
%typemap(argout) (uint64_t *values, size_t count)
    "NCP_GIVE_COUNTERS($1);"

/* The leases that are out. */
%typemap(in, numinputs=0) (ncp_lease *leases, size_t capacity, size_t *out)
    (size_t number)
    "$1 = NULL; $2 = 0; $3 = &number;"
%typemap(argout) (ncp_lease *leases, size_t capacity, size_t *out)
    "NCP_GIVE_NUMBERS($1, *$3 < $2 ? *$3 : $2);"
%feature("action") ncp_pool_leases {
    result = ncp_pool_leases(arg1, NULL, 0, arg4);
    if (result == NCP_OK) {
        arg3 = *arg4 + NCP_GLUE_MORE;
        arg2 = NCP_ROOM(arg3 * sizeof *arg2);
        result = ncp_pool_leases(arg1, arg2, arg3, arg4);
    }
}

/* Events that come out of a queue: at most as many as the caller says, and as
 * there is room for. */
%typemap(in) (ncp_event *events, int max) (ncp_event taken[NCP_GLUE_EVENTS]) {
    NCP_TAKE_INT($2, $input);
    $1 = taken;
    $2 = $2 < NCP_GLUE_EVENTS ? $2 : NCP_GLUE_EVENTS;
}
%typemap(out) int ncp_queue_poll, int ncp_queue_wait {
    if ($1 < 0)
        NCP_FAIL($1, ncp_status_text($1), 0);
}
%typemap(argout) (ncp_event *events, int max)
    "NCP_GIVE_EVENTS($1, result);"

/* The events, and what the put says, which is no error of this call: they must
 * not be lost with it. */
%typemap(in, numinputs=0) int *status (int said)
    "$1 = &said;"
%typemap(argout) int *status
    "NCP_GIVE_SAID(*$1);"
%typemap(out) int ncp_pool_release ""

/* 0, 1, or what is true in the language. */
%typemap(in) int healthy
    "NCP_TAKE_BOOLEAN($1, $input);"

/* --------------------------------------------------------------------- functions */

/* ncp_manual_clock() is what reads a Clock. */
%ignore ncp_manual_clock;
int ncp_clock_new(ncp_clock **out);
int ncp_clock_set(ncp_clock *clock, uint64_t now_ns);
%rename(ncp_config_set_clock) ncp_glue_set_clock;
int ncp_glue_set_clock(ncp_config *config, ncp_clock *clock);
uint64_t ncp_pool_key(const ncp_pool *pool);

%include "netconnpool_api.i"
