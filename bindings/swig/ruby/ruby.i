/*
 * Ruby: what failed is raised as an Ncp::Error, of a class a status; NCP_EAGAIN,
 * which is no failure, is nil. A call that blocks lets other threads run, and ends
 * when its thread is interrupted.
 */
%{
#include <ruby/io.h>
#include <ruby/thread.h>
#include <stdbool.h>
#include <time.h>

/* ------------------------------------------------------------------------ errors */

static VALUE ncp_rb_error_class; /* Ncp::Error */
static VALUE ncp_rb_classes;     /* a class a status */

/* Ncp::Error and one class a status, such as Ncp::ETIMEOUT, under it. */
static void ncp_rb_define_errors(VALUE module)
{
    int status;
    ncp_rb_error_class =
        rb_define_class_under(module, "Error", rb_eStandardError);
    rb_define_attr(ncp_rb_error_class, "status", 1, 0);
    rb_define_attr(ncp_rb_error_class, "code", 1, 0);
    ncp_rb_classes = rb_hash_new();
    rb_gc_register_mark_object(ncp_rb_classes);
    for (int i = 0; ncp_status_at(i, &status) == NCP_OK; i++) {
        const char *name = ncp_status_name(status) + strlen("NCP_");
        if (status == NCP_OK)
            continue;
        VALUE class = rb_define_class_under(module, name, ncp_rb_error_class);
        rb_define_const(class, "STATUS", INT2NUM(status));
        rb_hash_aset(ncp_rb_classes, INT2NUM(status), class);
    }
}

static VALUE ncp_rb_error(int status, const char *text, int64_t code)
{
    VALUE class = rb_hash_lookup2(ncp_rb_classes, INT2NUM(status),
                                  ncp_rb_error_class);
    VALUE error = rb_exc_new_str(class, rb_utf8_str_new_cstr(text));
    rb_iv_set(error, "@status", INT2NUM(status));
    rb_iv_set(error, "@code", LL2NUM(code));
    return error;
}

static void ncp_rb_fail(int status, const char *text, int64_t code)
{
    rb_exc_raise(ncp_rb_error(status, text, code));
}

/* ----------------------------------------------------------------------- objects */

static VALUE ncp_rb_freed_class; /* Ncp::FreedError */

/* What an object of ours stands for; NULL for nil. */
static void *ncp_rb_object(VALUE object, swig_type_info *type)
{
    const swig_class *class = type->clientdata;
    if (NIL_P(object))
        return NULL;
    if (!RTEST(rb_obj_is_kind_of(object, class->klass)))
        rb_raise(rb_eTypeError, "%" PRIsVALUE " expected, got %" PRIsVALUE,
                 class->klass, rb_obj_class(object));
    if (DATA_PTR(object) == NULL)
        rb_raise(ncp_rb_freed_class, "this %" PRIsVALUE " was freed",
                 class->klass);
    return DATA_PTR(object);
}

/* The same, and the object is empty from now on. */
static void *ncp_rb_given(VALUE object, swig_type_info *type)
{
    void *pointer = ncp_rb_object(object, type);
    if (pointer != NULL) {
        RDATA(object)->dfree = NULL;
        DATA_PTR(object) = NULL;
    }
    return pointer;
}

static VALUE ncp_rb_event(const ncp_event *event, swig_type_info *type)
{
    ncp_event *copy = ncp_glue_copy(event);
    if (copy == NULL)
        rb_memerror();
    return SWIG_NewPointerObj(copy, type, SWIG_POINTER_OWN);
}

static VALUE ncp_rb_events(const ncp_event *events, int count,
                           swig_type_info *type)
{
    VALUE list = rb_ary_new_capa(count);
    for (int i = 0; i < count; i++)
        rb_ary_push(list, ncp_rb_event(&events[i], type));
    return list;
}

static VALUE ncp_rb_numbers(const uint64_t *numbers, size_t count)
{
    VALUE list = rb_ary_new_capa((long)count);
    for (size_t i = 0; i < count; i++)
        rb_ary_push(list, ULL2NUM(numbers[i]));
    return list;
}

static VALUE ncp_rb_counters(const uint64_t *values)
{
    const char *name;
    VALUE hash = rb_hash_new();
    for (int i = 0; ncp_counter_at(i, NULL, &name, NULL, NULL) == NCP_OK; i++)
        rb_hash_aset(hash, ID2SYM(rb_intern(name)), ULL2NUM(values[i]));
    return hash;
}

/* Room until this thread asks for room again. */
static void *ncp_rb_room(size_t bytes)
{
    VALUE room = rb_str_new(NULL, (long)bytes);
    rb_ivar_set(rb_thread_current(), rb_intern("ncp_room"), room);
    return RSTRING_PTR(room);
}

/* --------------------------------------------------------------- calls that block */

enum {
    NCP_RB_SLICE_MS = 50, /* after which an interrupt is noticed */
    NCP_RB_NOT_MADE = 1   /* no status: Ruby has to interrupt first */
};

static int64_t ncp_rb_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What is left of a limit that began at `began_ms`; below 0 there is none. */
static int64_t ncp_rb_left_ms(int64_t timeout_ms, int64_t began_ms)
{
    int64_t left_ms = timeout_ms - (ncp_rb_now_ms() - began_ms);
    if (timeout_ms < 0)
        return -1;
    return left_ms > 0 ? left_ms : 0;
}

/* A call of the library, made while other threads of Ruby run. `pool` is a handle
 * of its own, so that freeing the object meanwhile does no harm. */
struct ncp_rb_call {
    void (*run)(struct ncp_rb_call *call);
    ncp_pool *pool;
    int64_t timeout_ms;
    int protocol, ip;
    uint64_t number; /* a ticket, a tag */
    ncp_event *event;
    int64_t *code;
    char *text;
    size_t size;
    int *fd;
    int result; /* a status, or NCP_RB_NOT_MADE */
    int again;  /* the status that says that it is to go on */
    atomic_bool interrupted;
    int jump; /* of rb_protect(): what an interrupt raises */
};

static void *ncp_rb_run(void *user)
{
    struct ncp_rb_call *call = user;
    call->run(call);
    return NULL;
}

static void ncp_rb_interrupt(void *user)
{
    struct ncp_rb_call *call = user;
    atomic_store(&call->interrupted, true);
}

/* Never raises once the call has been made: what it got would be lost. */
static void ncp_rb_unlocked(struct ncp_rb_call *call)
{
    call->result = NCP_RB_NOT_MADE;
    rb_thread_call_without_gvl2(ncp_rb_run, call, ncp_rb_interrupt, call);
}

static VALUE ncp_rb_check_interrupts(VALUE unused)
{
    (void)unused;
    rb_thread_check_ints();
    return Qnil;
}

static VALUE ncp_rb_free_pool(VALUE pool)
{
    ncp_pool_free((ncp_pool *)pool);
    return Qnil;
}

/* Makes the call for a slice of the time. Whether it is to be made again. */
static bool ncp_rb_call_slice(struct ncp_rb_call *call, int64_t left_ms)
{
    call->timeout_ms = left_ms < 0 || left_ms > NCP_RB_SLICE_MS
                           ? NCP_RB_SLICE_MS
                           : left_ms;
    ncp_rb_unlocked(call);
    if (call->result != call->again && call->result != NCP_RB_NOT_MADE)
        return false;
    rb_thread_check_ints();
    return left_ms != 0 || call->result == NCP_RB_NOT_MADE;
}

static VALUE ncp_rb_call_slices(VALUE user)
{
    struct ncp_rb_call *call = (struct ncp_rb_call *)user;
    int64_t timeout_ms = call->timeout_ms, began_ms = ncp_rb_now_ms();
    while (ncp_rb_call_slice(call, ncp_rb_left_ms(timeout_ms, began_ms)))
        continue;
    return Qnil;
}

static VALUE ncp_rb_call_whole(VALUE user)
{
    struct ncp_rb_call *call = (struct ncp_rb_call *)user;
    do {
        rb_thread_check_ints();
        ncp_rb_unlocked(call);
    } while (call->result == NCP_RB_NOT_MADE);
    return Qnil;
}

static int ncp_rb_make(struct ncp_rb_call *call, VALUE (*how)(VALUE),
                       ncp_pool *pool)
{
    call->pool = ncp_pool_ref(pool);
    rb_ensure(how, (VALUE)call, ncp_rb_free_pool, (VALUE)call->pool);
    return call->result;
}

static void ncp_rb_run_ticket_wait(struct ncp_rb_call *call)
{
    call->result = ncp_ticket_wait(call->pool, call->number, call->timeout_ms,
                                   call->event);
}

static int ncp_rb_ticket_wait(ncp_pool *pool, ncp_ticket ticket,
                              int64_t timeout_ms, ncp_event *out)
{
    struct ncp_rb_call call = {.run = ncp_rb_run_ticket_wait,
                               .number = ticket,
                               .timeout_ms = timeout_ms,
                               .event = out,
                               .again = NCP_EAGAIN};
    return ncp_rb_make(&call, ncp_rb_call_slices, pool);
}

static void ncp_rb_run_close_wait(struct ncp_rb_call *call)
{
    call->result = ncp_pool_close_wait(call->pool, call->timeout_ms);
}

static int ncp_rb_close_wait(ncp_pool *pool, int64_t timeout_ms)
{
    struct ncp_rb_call call = {.run = ncp_rb_run_close_wait,
                               .timeout_ms = timeout_ms,
                               .again = NCP_ETIMEOUT};
    return ncp_rb_make(&call, ncp_rb_call_slices, pool);
}

static int ncp_rb_drain(ncp_pool *pool, int64_t timeout_ms)
{
    int status = ncp_rb_close_wait(pool, timeout_ms);
    return status == NCP_ETIMEOUT ? ncp_pool_drain(pool, 0) : status;
}

static void ncp_rb_run_prewarm_wait(struct ncp_rb_call *call)
{
    call->result = ncp_pool_prewarm_wait(call->pool, call->timeout_ms);
}

static int ncp_rb_prewarm_wait(ncp_pool *pool, int64_t timeout_ms)
{
    struct ncp_rb_call call = {.run = ncp_rb_run_prewarm_wait,
                               .timeout_ms = timeout_ms,
                               .again = NCP_ETIMEOUT};
    return ncp_rb_make(&call, ncp_rb_call_slices, pool);
}

/* A dial ends by its own limit, or when the pool is closed. */
static void ncp_rb_run_dial_target(struct ncp_rb_call *call)
{
    call->result = ncp_pool_dial_target(call->pool, call->protocol, call->ip,
                                        call->timeout_ms, call->code,
                                        call->text, call->size, call->fd);
}

static int ncp_rb_dial_target(ncp_pool *pool, int protocol, int ip,
                              int64_t timeout_ms, int64_t *code, char *text,
                              size_t size, int *out)
{
    struct ncp_rb_call call = {.run = ncp_rb_run_dial_target,
                               .protocol = protocol,
                               .ip = ip,
                               .timeout_ms = timeout_ms,
                               .code = code,
                               .text = text,
                               .size = size,
                               .fd = out};
    text[0] = '\0';
    return ncp_rb_make(&call, ncp_rb_call_whole, pool);
}

/* A get keeps its place in line while Ruby looks whether to raise. */
static void *ncp_rb_look(void *user)
{
    struct ncp_rb_call *call = user;
    rb_protect(ncp_rb_check_interrupts, Qnil, &call->jump);
    return NULL;
}

static int ncp_rb_poll(void *user)
{
    struct ncp_rb_call *call = user;
    if (!atomic_exchange(&call->interrupted, false))
        return 0;
    rb_thread_call_with_gvl(ncp_rb_look, call);
    return call->jump; /* not 0: the get ends with NCP_ECANCELED */
}

static void ncp_rb_run_borrow(struct ncp_rb_call *call)
{
    ncp_cancel *cancel;
    call->result = ncp_cancel_new(&cancel);
    if (call->result != NCP_OK)
        return;
    ncp_cancel_set_poll(cancel, ncp_rb_poll, call, NCP_RB_SLICE_MS);
    call->result =
        ncp_pool_borrow(call->pool, call->protocol, call->ip, call->timeout_ms,
                        cancel, call->number, call->event);
    ncp_cancel_free(cancel);
}

static int ncp_rb_borrow(ncp_pool *pool, int protocol, int ip,
                         int64_t timeout_ms, uint64_t tag, ncp_event *out)
{
    struct ncp_rb_call call = {.run = ncp_rb_run_borrow,
                               .protocol = protocol,
                               .ip = ip,
                               .timeout_ms = timeout_ms,
                               .number = tag,
                               .event = out};
    memset(out, 0, sizeof *out);
    ncp_rb_make(&call, ncp_rb_call_whole, pool);
    if (call.jump != 0)
        rb_jump_tag(call.jump);
    return call.result;
}

static int ncp_rb_get(ncp_pool *pool, int protocol, int ip, int64_t timeout_ms,
                      ncp_lease *out)
{
    ncp_event event;
    int status = ncp_rb_borrow(pool, protocol, ip, timeout_ms, 0, &event);
    *out = event.lease;
    return status;
}

/* Waits as Ruby waits for anything that can be read. */
static int ncp_rb_queue_wait(VALUE object, ncp_queue *queue, ncp_event *events,
                             int max, int64_t timeout_ms)
{
    int64_t began_ms = ncp_rb_now_ms();
    for (;;) {
        int count = ncp_queue_poll(queue, events, max);
        int64_t left_ms = ncp_rb_left_ms(timeout_ms, began_ms);
        if (count != 0 || left_ms == 0)
            return count;
        struct timeval limit = {.tv_sec = left_ms / 1000,
                                .tv_usec = left_ms % 1000 * 1000};
        rb_wait_for_single_fd(ncp_queue_fd(queue), RB_WAITFD_IN,
                              left_ms < 0 ? NULL : &limit);
        if (DATA_PTR(object) != queue)
            rb_raise(ncp_rb_freed_class, "the queue was freed meanwhile");
    }
}

/* ------------------------------------------------------- what ncp_core.i asks for */

/* Several results are an array. The first of them is neither nil nor an array. */
static VALUE ncp_rb_append(VALUE results, VALUE value)
{
    if (NIL_P(results))
        return value;
    if (!RB_TYPE_P(results, T_ARRAY))
        results = rb_ary_new_from_args(1, results);
    return rb_ary_push(results, value);
}

/* Events, and what went wrong all the same: nil, or an error that is not raised. */
static VALUE ncp_rb_said(VALUE events, int status)
{
    return rb_ary_new_from_args(
        2, events,
        status == NCP_OK ? Qnil
                         : ncp_rb_error(status, ncp_status_text(status), 0));
}

#define NCP_TAKE_INT(to, value) ((to) = NUM2INT(value))
#define NCP_TAKE_BOOLEAN(to, value)                                           \
    ((to) = FIXNUM_P(value) ? FIX2INT(value) != 0 : RTEST(value))
#define NCP_ROOM(bytes) ncp_rb_room(bytes)
#define NCP_GIVE(value) (vresult = ncp_rb_append(vresult, value))
#define NCP_GIVE_INTEGER(value) NCP_GIVE(LL2NUM(value))
#define NCP_GIVE_UNSIGNED(value) NCP_GIVE(ULL2NUM(value))
#define NCP_GIVE_BOOLEAN(value) NCP_GIVE((value) != 0 ? Qtrue : Qfalse)
#define NCP_GIVE_TEXT(text)                                                   \
    NCP_GIVE((text) == NULL ? Qnil : rb_utf8_str_new_cstr(text))
#define NCP_GIVE_NOTHING() NCP_GIVE(Qnil)
#define NCP_GIVE_OBJECT(pointer, type)                                        \
    NCP_GIVE(SWIG_NewPointerObj(pointer, type, SWIG_POINTER_OWN))
#define NCP_GIVE_EVENT(event)                                                 \
    NCP_GIVE(ncp_rb_event(event, SWIGTYPE_p_ncp_event))
#define NCP_GIVE_EVENTS(events, count)                                        \
    NCP_GIVE(ncp_rb_events(events, count, SWIGTYPE_p_ncp_event))
#define NCP_GIVE_NUMBERS(numbers, count) NCP_GIVE(ncp_rb_numbers(numbers, count))
#define NCP_GIVE_COUNTERS(values) NCP_GIVE(ncp_rb_counters(values))
#define NCP_GIVE_SAID(status) (vresult = ncp_rb_said(vresult, status))
#define NCP_FAIL(status, text, code)                                          \
    do {                                                                      \
        if ((status) == NCP_EAGAIN)                                           \
            return Qnil;                                                      \
        ncp_rb_fail(status, text, code);                                      \
    } while (0)
#define NCP_NOTHING() return Qnil
#define NCP_DONE() (void)0
%}

%init %{
    ncp_rb_define_errors(mNcp);
    ncp_rb_freed_class =
        rb_define_class_under(mNcp, "FreedError", rb_eStandardError);
%}

/* ---------------------------------------------------------------------- typemaps */

%typemap(in) SWIGTYPE *
    "$1 = ncp_rb_object($input, $descriptor);"
%typemap(in) SWIGTYPE *GIVEN
    "$1 = ncp_rb_given($input, $descriptor);"

/* ---------------------------------------------------------------- other threads */

/* Who interrupts a thread cancels its get; tokens are not needed. */
#define NCP_WITHOUT_CANCEL
%ignore ncp_cancel_new;
%ignore ncp_cancel_fire;
%ignore ncp_cancel_free;
%typemap(in, numinputs=0) ncp_cancel *cancel
    "$1 = NULL;"

%define %ncp_unlocked(function, call...)
%feature("action") function "result = call;"
%enddef
%ncp_unlocked(ncp_ticket_wait, ncp_rb_ticket_wait(arg1, arg2, arg3, arg4))
%ncp_unlocked(ncp_pool_close_wait, ncp_rb_close_wait(arg1, arg2))
%ncp_unlocked(ncp_pool_drain, ncp_rb_drain(arg1, arg2))
%ncp_unlocked(ncp_pool_prewarm_wait, ncp_rb_prewarm_wait(arg1, arg2))
%ncp_unlocked(ncp_pool_dial_target,
    ncp_rb_dial_target(arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8))
%ncp_unlocked(ncp_queue_wait,
    ncp_rb_queue_wait(argv[0], arg1, arg2, arg3, arg4))
%ncp_unlocked(ncp_pool_borrow,
    ncp_rb_borrow(arg1, arg2, arg3, arg4, arg6, arg7))
%ncp_unlocked(ncp_pool_get_ex, ncp_rb_get(arg1, arg2, arg3, arg4, arg7))
%ncp_unlocked(ncp_pool_get_timeout, ncp_rb_get(arg1, 0, 0, arg2, arg3))
%ncp_unlocked(ncp_pool_get,
    ncp_rb_get(arg1, 0, 0, NCP_TIMEOUT_DEFAULT, arg2))
%ncp_unlocked(ncp_pool_get_tcp,
    ncp_rb_get(arg1, NCP_PROTOCOL_TCP, 0, NCP_TIMEOUT_DEFAULT, arg2))
%ncp_unlocked(ncp_pool_get_udp,
    ncp_rb_get(arg1, NCP_PROTOCOL_UDP, 0, NCP_TIMEOUT_DEFAULT, arg2))
%ncp_unlocked(ncp_pool_get_ipv4,
    ncp_rb_get(arg1, 0, NCP_IP_V4, NCP_TIMEOUT_DEFAULT, arg2))
%ncp_unlocked(ncp_pool_get_ipv6,
    ncp_rb_get(arg1, 0, NCP_IP_V6, NCP_TIMEOUT_DEFAULT, arg2))
