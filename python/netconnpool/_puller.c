/*
 * The shortest way of a borrow and of a return in a pool of an event loop: the
 * base of PullPool.
 *
 * It asks the library, makes the leases, and hands what comes back to the next in
 * line. Whatever is not as usual is left to Python, which is told what the library
 * answered: nothing is decided twice.
 *
 * Everything happens on the thread of the loop, and none of these calls of the
 * library waits or calls back: the GIL is kept.
 */
#include "_lease.h"
#include "_places.h"

#include "netconnpool.h"

#include <pthread.h>
#include <stddef.h>
#include <structmember.h>

static int (*acquire)(ncp_pool *pool, ncp_queue *queue, int protocol, int ip,
                      int64_t timeout_ms, uint64_t tag, int flags,
                      ncp_event *out);
static int (*release)(ncp_pool *pool, ncp_lease lease, int flags,
                      ncp_queue *queue, ncp_event *events, int max,
                      int *status);
static int (*put)(ncp_pool *pool, ncp_lease lease);
static int (*discard)(ncp_pool *pool, ncp_lease lease);
static int (*is_ready)(const ncp_queue *queue);

static PyObject *frame_above; /* sys._getframe */
static PyObject *nowhere;     /* where a borrow was made, until that is known */
static PyObject *one;
static PyObject *set_result_name, *done_name, *pump_name;

typedef struct {
    PyObject_HEAD ncp_pool *pool; /* a reference; NULL until there is one */
    /* of the machine, which it keeps alive */
    PyObject *machine;
    ncp_queue *queue;
    ncp_event *out;    /* the answer to who asks */
    ncp_event *events; /* what a return brings with it */
    int room;
    PyObject *wanted; /* set: pools at which somebody waits, and so they live */
    /* of the pool */
    struct ncp_py_places places; /* who waits */
    PyObject *objects;           /* dict: what was made, by handle */
    PyTypeObject *lease_type;
    PyObject *noted[3]; /* when one is not empty, a return has more to do */
    char is_over;       /* each return may be the last */
    char is_slow;       /* each return has something to be asked first */
    char is_lending;
    /* of its loop; NULL for what is no loop of asyncio */
    PyObject *is_running; /* its method, as the next */
    PyObject *new_future;
    pthread_t thread;
    unsigned process; /* how many forks there had been */
} puller_object;

static unsigned forks;

enum { NOTED = 3 };

static PyMemberDef puller_members[] = {
    {"_ends", T_BOOL, offsetof(puller_object, is_over), 0,
     "Whether the pool was closed, and each return may be the last."},
    {"_is_slow", T_BOOL, offsetof(puller_object, is_slow), 0,
     "Whether each return has something to be asked first."},
    {NULL, 0, 0, 0, NULL},
};

static int puller_traverse(PyObject *self, visitproc visit, void *arg)
{
    puller_object *puller = (puller_object *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(puller->machine);
    Py_VISIT(puller->wanted);
    Py_VISIT(puller->objects);
    Py_VISIT(puller->lease_type);
    for (int i = 0; i < NOTED; i++)
        Py_VISIT(puller->noted[i]);
    Py_VISIT(puller->is_running);
    Py_VISIT(puller->new_future);
    return ncp_py_places_visit(&puller->places, visit, arg);
}

static int puller_clear(PyObject *self)
{
    puller_object *puller = (puller_object *)self;

    puller->is_lending = 0;
    Py_CLEAR(puller->machine);
    Py_CLEAR(puller->wanted);
    Py_CLEAR(puller->objects);
    Py_CLEAR(puller->lease_type);
    for (int i = 0; i < NOTED; i++)
        Py_CLEAR(puller->noted[i]);
    Py_CLEAR(puller->is_running);
    Py_CLEAR(puller->new_future);
    ncp_py_places_clear(&puller->places);
    return 0;
}

static void puller_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);

    PyObject_GC_UnTrack(self);
    ncp_py_pool_free(((puller_object *)self)->pool);
    puller_clear(self);
    free_object(self);
    Py_DECREF(type);
}

/* ------------------------------------------------------------------ its life */

/* _lends(pool, machine, queue, out, events, room, wanted, objects, lease_type,
 *        taken, stacks, watchers): the pool is there. */
static PyObject *puller_lends(PyObject *self, PyObject *args)
{
    puller_object *puller = (puller_object *)self;
    unsigned long long pool, queue, out, events;
    PyObject *machine, *wanted, *objects, *type, *taken, *stacks, *watchers;
    int room;

    if (!PyArg_ParseTuple(args, "KOKKKiO!O!O!O!O!O!", &pool, &machine, &queue,
                          &out, &events, &room, &PySet_Type, &wanted,
                          &PyDict_Type, &objects, &PyType_Type, &type,
                          &PyDict_Type, &taken, &PyDict_Type, &stacks,
                          &PyList_Type, &watchers))
        return NULL;
    if (puller->pool != NULL ||
        !PyType_IsSubtype((PyTypeObject *)type, ncp_py_lease_type)) {
        PyErr_SetString(PyExc_TypeError, "it lends already, or no leases");
        return NULL;
    }
    puller->machine = Py_NewRef(machine);
    puller->queue = (ncp_queue *)(uintptr_t)queue;
    puller->out = (ncp_event *)(uintptr_t)out;
    puller->events = (ncp_event *)(uintptr_t)events;
    puller->room = room;
    puller->wanted = Py_NewRef(wanted);
    puller->objects = Py_NewRef(objects);
    puller->lease_type = (PyTypeObject *)Py_NewRef(type);
    puller->noted[0] = Py_NewRef(taken);
    puller->noted[1] = Py_NewRef(stacks);
    puller->noted[2] = Py_NewRef(watchers);
    puller->pool = ncp_py_pool_ref((void *)(uintptr_t)pool);
    puller->is_lending = 1;
    return Py_NewRef(Py_None);
}

/* _runs_in(is_running, new_future): methods of the loop of asyncio that it belongs
 * to, which runs on this thread. */
static PyObject *puller_runs_in(PyObject *self, PyObject *args)
{
    puller_object *puller = (puller_object *)self;
    PyObject *is_running, *new_future;

    if (!PyArg_ParseTuple(args, "OO", &is_running, &new_future))
        return NULL;
    puller->thread = pthread_self();
    puller->process = forks;
    Py_XDECREF(puller->new_future);
    puller->new_future = Py_NewRef(new_future);
    Py_XDECREF(puller->is_running);
    puller->is_running = Py_NewRef(is_running);
    return Py_NewRef(Py_None);
}

/* _lends_no_more(): from now on nothing is lent or taken back on the short way. */
static PyObject *puller_lends_no_more(PyObject *self, PyObject *unused)
{
    (void)unused;
    ((puller_object *)self)->is_lending = 0;
    return Py_NewRef(Py_None);
}

/* Whether this is the thread of its loop, and the loop runs. -1 on failure.
 * asyncio.get_running_loop() says the same, by a system call. Of a loop that went
 * to another thread it is not known: then Python asks. */
static int is_here(const puller_object *puller)
{
    if (puller->is_running == NULL || puller->process != forks ||
        !pthread_equal(puller->thread, pthread_self()))
        return 0;
    PyObject *runs = PyObject_CallNoArgs(puller->is_running);
    Py_XDECREF(runs);
    return runs == NULL ? -1 : runs == Py_True;
}

/* In a forked child no loop of the parent runs. */
PyObject *ncp_py_puller_forked(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    forks++;
    return Py_NewRef(Py_None);
}

/* --------------------------------------------------------------------- lending */

/* The object for a connection that the library lent; one that cannot be made puts
 * the connection back. */
static lease_object *lend(puller_object *puller, uint64_t number,
                          uint64_t handle)
{
    PyObject *key = PyLong_FromUnsignedLongLong(handle);
    PyObject *raw = key != NULL ? PyDict_GetItemWithError(puller->objects, key)
                                : NULL; /* borrowed */
    lease_object *lease = NULL;

    if (raw != NULL)
        lease = ncp_py_lease_new(puller->lease_type, (PyObject *)puller);
    else if (!PyErr_Occurred())
        PyErr_SetObject(PyExc_KeyError, key);
    Py_XDECREF(key);
    if (lease == NULL) {
        (void)put(puller->pool, number);
        return NULL;
    }
    lease->raw = Py_NewRef(raw);
    lease->code = Py_NewRef(nowhere);
    lease->handle = (long long)handle;
    lease->token = (long long)number;
    return lease;
}

/* _lend(lease, handle): the object for a connection that the library lent. */
static PyObject *puller_lend(PyObject *self, PyObject *args)
{
    puller_object *puller = (puller_object *)self;
    unsigned long long number, handle;

    if (!PyArg_ParseTuple(args, "KK", &number, &handle))
        return NULL;
    if (puller->lease_type == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this pool was never made");
        return NULL;
    }
    return (PyObject *)lend(puller, number, handle);
}

/* Writes down where the caller of the function of Python is that called this. A
 * caller that there is not is none. */
static void note_caller(lease_object *lease)
{
    PyObject *frame = PyObject_CallFunctionObjArgs(frame_above, one, NULL);

    if (frame != NULL)
        (void)ncp_py_lease_place(lease, (PyFrameObject *)frame);
    PyErr_Clear();
    Py_XDECREF(frame);
}

/* _note(conn): the caller of the function that calls this is its borrower. */
static PyObject *puller_note(PyObject *self, PyObject *conn)
{
    (void)self;
    if (!PyObject_TypeCheck(conn, ncp_py_lease_type)) {
        PyErr_SetString(PyExc_TypeError, "no lease");
        return NULL;
    }
    note_caller((lease_object *)conn);
    return Py_NewRef(Py_None);
}

/* ----------------------------------------------------------------------- asking */

/* Somebody waits for a ticket. 0 on failure. */
static int add_waiter(puller_object *puller, uint64_t ticket, PyObject *waiter)
{
    if (!ncp_py_places_add(&puller->places, ticket, waiter))
        return 0;
    return puller->places.count > 1 || puller->wanted == NULL ||
           PySet_Add(puller->wanted, (PyObject *)puller) == 0;
}

/* Who waits for a ticket waits no more; NULL for nobody, or on failure. */
static PyObject *take_waiter(puller_object *puller, uint64_t ticket)
{
    PyObject *waiter = ncp_py_places_take(&puller->places, ticket);

    if (waiter == NULL || puller->places.count > 0 || puller->wanted == NULL)
        return waiter;
    if (PySet_Discard(puller->wanted, (PyObject *)puller) < 0)
        Py_CLEAR(waiter);
    return waiter;
}

/* _waits(ticket, waiter) */
static PyObject *puller_waits(PyObject *self, PyObject *args)
{
    unsigned long long ticket;
    PyObject *waiter;

    if (!PyArg_ParseTuple(args, "KO", &ticket, &waiter) ||
        !add_waiter((puller_object *)self, ticket, waiter))
        return NULL;
    return Py_NewRef(Py_None);
}

/* _waiter_of(ticket): it waits no more; None when nobody does. */
static PyObject *puller_waiter_of(PyObject *self, PyObject *ticket)
{
    unsigned long long number = PyLong_AsUnsignedLongLong(ticket);

    if (number == (unsigned long long)-1 && PyErr_Occurred())
        return NULL;
    PyObject *waiter = take_waiter((puller_object *)self, number);
    if (waiter == NULL && !PyErr_Occurred())
        return Py_NewRef(Py_None);
    return waiter;
}

/* A place in line: what the ticket comes to is the result of a future. */
static PyObject *stand_in_line(puller_object *puller)
{
    uint64_t ticket = puller->out->ticket;
    PyObject *number = PyLong_FromUnsignedLongLong(ticket);
    PyObject *future = PyObject_CallNoArgs(puller->new_future);
    PyObject *place = NULL;

    if (number != NULL && future != NULL)
        place = PyTuple_Pack(2, future, number);
    if (place != NULL && !add_waiter(puller, ticket, future))
        Py_CLEAR(place);
    Py_XDECREF(future);
    Py_XDECREF(number);
    return place;
}

static PyObject *wait_for_turn(puller_object *puller)
{
    PyObject *place = stand_in_line(puller);

    if (place == NULL || is_ready(puller->queue) != 1)
        return place;
    PyObject *pumped =
        PyObject_CallMethodObjArgs(puller->machine, pump_name, NULL);
    if (pumped == NULL)
        Py_CLEAR(place);
    Py_XDECREF(pumped);
    return place;
}

/* _take(timeout, protocol, ip, tag): a lease; or a future and its ticket; or a
 * status, whose answer is in the event of the machine; or None: it was not asked. */
static PyObject *puller_take(PyObject *self, PyObject *const *given,
                             Py_ssize_t count)
{
    puller_object *puller = (puller_object *)self;
    long long timeout_ms;

    if (count != 4 || given[1] != Py_None || given[2] != Py_None ||
        !puller->is_lending || !ncp_py_read_timeout(given[0], &timeout_ms))
        return Py_NewRef(Py_None);
    int is_mine = is_here(puller);
    if (is_mine <= 0)
        return is_mine < 0 ? NULL : Py_NewRef(Py_None);
    unsigned long long tag = PyLong_AsUnsignedLongLong(given[3]);
    if (tag == (unsigned long long)-1 && PyErr_Occurred()) {
        PyErr_Clear(); /* Python says what is wrong with it */
        return Py_NewRef(Py_None);
    }
    ncp_event *out = puller->out;
    int status = acquire(puller->pool, puller->queue, NCP_PROTOCOL_UNKNOWN,
                         NCP_IP_UNKNOWN, timeout_ms, tag, NCP_FLAG_TAKE, out);
    if (status == NCP_OK && out->type == NCP_EVENT_PENDING)
        return wait_for_turn(puller);
    if (status != NCP_OK || out->type != NCP_EVENT_CONN)
        return PyLong_FromLong(status);
    lease_object *lease = lend(puller, out->lease, out->handle);
    if (lease != NULL)
        note_caller(lease);
    return (PyObject *)lease;
}

/* -------------------------------------------------------------------- returning */

/* 1 when it ended the wait, 0 when nobody waits any more, -1 on failure. */
static int post(PyObject *future, PyObject *value)
{
    PyObject *done =
        PyObject_CallMethodObjArgs(future, set_result_name, value, NULL);

    if (done != NULL) {
        Py_DECREF(done);
        return 1;
    }
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    done = PyObject_CallMethodObjArgs(future, done_name, NULL);
    int was_done = done == Py_True;
    Py_XDECREF(done);
    PyErr_Clear();
    if (!was_done) {
        PyErr_Restore(type, error, trace);
        return -1;
    }
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(trace);
    return 0;
}

/* Whether the event is a connection for who waits at this pool. */
static int is_hand_over(const puller_object *puller, const ncp_event *event)
{
    return event->type == NCP_EVENT_CONN && event->pool == puller->pool &&
           event->ticket != 0;
}

/* Gives what came back to who waits. 0 on failure. */
static int hand_over(puller_object *puller, const ncp_event *event)
{
    uint64_t ticket = event->ticket;
    lease_object *lease = lend(puller, event->lease, event->handle);
    PyObject *future = NULL;
    int posted = -1;

    if (lease == NULL)
        return 0;
    future = take_waiter(puller, ticket);
    if (future != NULL)
        posted = post(future, (PyObject *)lease);
    else if (!PyErr_Occurred())
        posted = 0;    /* nobody knows the ticket */
    if (posted <= 0) { /* the next one gets it */
        (void)put(puller->pool, (ncp_lease)lease->token);
        ncp_py_lease_end(lease);
    }
    Py_XDECREF(future);
    Py_DECREF(lease);
    return posted >= 0;
}

static int has_more_to_do(const puller_object *puller)
{
    return puller->is_over || PyDict_Size(puller->noted[0]) != 0 ||
           PyDict_Size(puller->noted[1]) != 0 ||
           PyList_Size(puller->noted[2]) != 0;
}

static PyObject *give(puller_object *puller, lease_object *lease)
{
    PyObject *raw = lease->raw; /* taken over */
    long long number = lease->token, handle = lease->handle;
    PyObject *closing = NULL;
    int status = NCP_OK;

    lease->raw = Py_NewRef(ncp_py_gone);
    lease->token = 0;
    int count = release(puller->pool, (ncp_lease)number, 0, puller->queue,
                        puller->events, puller->room, &status);
    int is_fine = 1;
    if (count == 1 && is_hand_over(puller, puller->events)) {
        count = 0;
        is_fine = hand_over(puller, puller->events);
    }
    if (is_fine && count == 0 && status == NCP_OK && !has_more_to_do(puller))
        closing = Py_NewRef(Py_None);
    else if (is_fine)
        closing = PyObject_CallMethod((PyObject *)puller, "_given", "iiLLO",
                                      count, status, number, handle, raw);
    Py_XDECREF(raw);
    return closing;
}

/* _give(conn): gives a connection back and serves who waits; what is still to be
 * waited for, or None. False: it was not done, because it is not so short. */
static PyObject *puller_give(PyObject *self, PyObject *conn)
{
    puller_object *puller = (puller_object *)self;
    lease_object *lease = (lease_object *)conn;

    if (Py_TYPE(conn) != puller->lease_type || !puller->is_lending ||
        puller->is_slow || lease->pool != self || lease->token == 0 ||
        lease->raw == NULL)
        return Py_NewRef(Py_False);
    int is_mine = is_here(puller);
    if (is_mine <= 0)
        return is_mine < 0 ? NULL : Py_NewRef(Py_False);
    return give(puller, lease);
}

/* _lose(conn): a lease that was collected as garbage ends. The status of it. */
static PyObject *puller_lose(PyObject *self, PyObject *conn)
{
    puller_object *puller = (puller_object *)self;
    lease_object *lease = (lease_object *)conn;

    if (!PyObject_TypeCheck(conn, ncp_py_lease_type) || puller->pool == NULL) {
        PyErr_SetString(PyExc_TypeError, "no lease of this pool");
        return NULL;
    }
    long long number = lease->token;
    lease->token = 0;
    return PyLong_FromLong(discard(puller->pool, (ncp_lease)number));
}

/* ------------------------------------------------------------------------- type */

static PyMethodDef puller_methods[] = {
    {"_lends", puller_lends, METH_VARARGS, NULL},
    {"_runs_in", puller_runs_in, METH_VARARGS, NULL},
    {"_lends_no_more", puller_lends_no_more, METH_NOARGS, NULL},
    {"_lend", puller_lend, METH_VARARGS, NULL},
    {"_note", puller_note, METH_O, NULL},
    {"_waits", puller_waits, METH_VARARGS, NULL},
    {"_waiter_of", puller_waiter_of, METH_O, NULL},
    {"_take", NCP_PY_METHOD(puller_take), METH_FASTCALL, NULL},
    {"_give", puller_give, METH_O, NULL},
    {"_lose", puller_lose, METH_O, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot puller_slots[] = {
    {Py_tp_doc, "What lends leases to an event loop: the base of PullPool."},
    {Py_tp_members, puller_members},
    {Py_tp_methods, puller_methods},
    {Py_tp_traverse, puller_traverse},
    {Py_tp_clear, puller_clear},
    {Py_tp_dealloc, puller_dealloc},
    {0, NULL},
};

static PyType_Spec puller_spec = {
    .name = "netconnpool._lease.Puller",
    .basicsize = sizeof(puller_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = puller_slots,
};

PyTypeObject *ncp_py_puller_type(PyObject *module)
{
    one = PyLong_FromLong(1);
    set_result_name = PyUnicode_InternFromString("set_result");
    done_name = PyUnicode_InternFromString("done");
    pump_name = PyUnicode_InternFromString("pump");
    if (one == NULL || set_result_name == NULL || done_name == NULL ||
        pump_name == NULL)
        return NULL;
    return ncp_py_add_type(module, &puller_spec);
}

/* use_for_loops(acquire, release, put, discard, queue_ready, getframe, nowhere) */
PyObject *ncp_py_puller_use(PyObject *module, PyObject *args)
{
    unsigned long long acquires, releases, puts, discards, asks;
    PyObject *getframe, *no_code;

    (void)module;
    if (!PyArg_ParseTuple(args, "KKKKKOO", &acquires, &releases, &puts,
                          &discards, &asks, &getframe, &no_code))
        return NULL;
    *(void **)&acquire = (void *)(uintptr_t)acquires;
    *(void **)&release = (void *)(uintptr_t)releases;
    *(void **)&put = (void *)(uintptr_t)puts;
    *(void **)&discard = (void *)(uintptr_t)discards;
    *(void **)&is_ready = (void *)(uintptr_t)asks;
    Py_XDECREF(frame_above);
    frame_above = Py_NewRef(getframe);
    Py_XDECREF(nowhere);
    nowhere = Py_NewRef(no_code);
    return Py_NewRef(Py_None);
}
