/*
 * The shortest way of a borrow and of a return, over the limited API of Python.
 *
 * It is in C for two reasons. A signal handler that throws comes between two lines
 * of Python but never into a call of C: so no lease is ever without an object that
 * holds it, and one that is lost goes back for certain. And it makes getconn() and
 * putconn() cheap.
 *
 * All the rest is in pool.py and connection.py. The library is in the module
 * _ffi; use() brings the addresses of the functions that are needed here.
 */
#include "_lease.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <structmember.h>

/* Of _glue.h, and the constants that belong to them. */
static int handle_shift;
static long long timeout_default;
static int64_t (*borrow)(void *pool, int protocol, int ip, int64_t timeout_ms,
                         void *cancel, uint64_t tag);
static int (*put)(void *pool, int64_t token);
static int (*discard)(void *pool, int64_t token);
static int (*is_shut)(void);
static void *(*pool_ref)(void *pool);
static void (*pool_free)(void *pool);

PyObject *ncp_py_gone;
PyTypeObject *ncp_py_lease_type;
static PyObject *f_lasti; /* the names of two attributes */
static PyObject *timeout_name;
static PyTypeObject *lender_type, *puller_type, *block_type;

/* -------------------------------------------------------------- pools of C */

/* A reference of an object's own: for as long as the object lives, nobody who
 * is given the pool from it finds memory that is gone. */
void *ncp_py_pool_ref(void *pool)
{
    return pool_ref(pool);
}

/* Gives it back; may run callbacks of Python. Not when the interpreter ends. */
void ncp_py_pool_free(void *pool)
{
    PyObject *type, *value, *trace;

    if (pool == NULL || is_shut())
        return;
    PyErr_Fetch(&type, &value, &trace);
    Py_BEGIN_ALLOW_THREADS pool_free(pool);
    Py_END_ALLOW_THREADS PyErr_Restore(type, value, trace);
}

/* ----------------------------------------------------------------------- leases */

static PyMemberDef lease_members[] = {
    {"raw", T_OBJECT_EX, offsetof(lease_object, raw), 0,
     "What the dialer made."},
    {"_pool", T_OBJECT_EX, offsetof(lease_object, pool), 0, NULL},
    {"_code", T_OBJECT_EX, offsetof(lease_object, code), 0, NULL},
    {"_instruction", T_INT, offsetof(lease_object, instruction), 0, NULL},
    {"_token", T_LONGLONG, offsetof(lease_object, token), 0, NULL},
    {"_handle", T_LONGLONG, offsetof(lease_object, handle), 0, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(lease_object, weak), READONLY,
     NULL},
    {NULL, 0, 0, 0, NULL},
};

static int lease_traverse(PyObject *self, visitproc visit, void *arg)
{
    lease_object *lease = (lease_object *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(lease->raw);
    Py_VISIT(lease->pool);
    Py_VISIT(lease->code);
    return 0;
}

static int lease_clear(PyObject *self)
{
    lease_object *lease = (lease_object *)self;

    Py_CLEAR(lease->raw);
    Py_CLEAR(lease->pool);
    Py_CLEAR(lease->code);
    return 0;
}

static void lease_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    PyObject_GC_UnTrack(self);
    if (((lease_object *)self)->weak != NULL)
        PyObject_ClearWeakRefs(self);
    lease_clear(self);
    release(self);
    Py_DECREF(type);
}

static void *pool_of(const lease_object *lease);

/* Nobody gave it back: it is closed first, then told of. */
static void lease_lost(lease_object *lease, void *pool)
{
    PyObject *what = lease->raw != NULL ? PyObject_Repr(lease->raw) : NULL;
    int64_t token = lease->token;
    int status;

    PyErr_Clear();
    Py_BEGIN_ALLOW_THREADS status = discard(pool, token);
    Py_END_ALLOW_THREADS PyObject *told =
        PyObject_CallMethod((PyObject *)lease, "_lost", "iO", status,
                            what != NULL ? what : Py_None);
    lease->token = 0;
    if (told == NULL)
        PyErr_WriteUnraisable((PyObject *)Py_TYPE(lease));
    Py_XDECREF(told);
    Py_XDECREF(what);
}

/* The same for one that a pool of an event loop lent. */
static void lease_lost_by_loop(lease_object *lease)
{
    PyObject *told = PyObject_CallMethod((PyObject *)lease, "_lost", NULL);

    if (told == NULL)
        PyErr_WriteUnraisable((PyObject *)Py_TYPE(lease));
    Py_XDECREF(told);
}

/* Called for the types that Python derives from this one, and only those are
 * ever made. */
static void lease_finalize(PyObject *self)
{
    lease_object *lease = (lease_object *)self;
    PyObject *type, *value, *trace;

    if (lease->token == 0 || lease->pool == NULL || is_shut())
        return;
    void *pool = pool_of(lease);
    int is_of_loop = PyObject_TypeCheck(lease->pool, puller_type);
    PyErr_Fetch(&type, &value, &trace);
    if (is_of_loop)
        lease_lost_by_loop(lease);
    else if (pool != NULL && lease->raw != ncp_py_gone)
        lease_lost(lease, pool);
    PyErr_Restore(type, value, trace);
}

static PyType_Slot lease_slots[] = {
    {Py_tp_doc, "One borrow of one connection."},
    {Py_tp_members, lease_members},
    {Py_tp_traverse, lease_traverse},
    {Py_tp_clear, lease_clear},
    {Py_tp_dealloc, lease_dealloc},
    {Py_tp_finalize, lease_finalize},
    {0, NULL},
};

static PyType_Spec lease_spec = {
    .name = "netconnpool._lease.Lease",
    .basicsize = sizeof(lease_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = lease_slots,
};

lease_object *ncp_py_lease_new(PyTypeObject *type, PyObject *pool)
{
    allocfunc make = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    lease_object *lease = (lease_object *)make(type, 0);

    if (lease != NULL)
        lease->pool = Py_NewRef(pool);
    return lease;
}

int ncp_py_lease_place(lease_object *lease, PyFrameObject *frame)
{
    PyObject *instruction = PyObject_GetAttr((PyObject *)frame, f_lasti);
    PyObject *before = lease->code;

    if (instruction == NULL)
        return 0;
    lease->instruction = (int)PyLong_AsLong(instruction);
    Py_DECREF(instruction);
    lease->code = (PyObject *)PyFrame_GetCode(frame);
    Py_XDECREF(before);
    return 1;
}

void ncp_py_lease_end(lease_object *lease)
{
    PyObject *raw = lease->raw;

    lease->token = 0;
    lease->raw = Py_NewRef(ncp_py_gone);
    Py_XDECREF(raw);
}

/* ------------------------------------------------------------------------ pools */

typedef struct {
    PyObject_HEAD void *pool; /* a reference; NULL until there is one */
    PyObject *objects;        /* dict: what the dialer made, by handle */
    PyTypeObject *lease_type;
    int is_slow; /* each return has something to write down */
} lender_object;

/* The pool of a lease that was lent by one of ours. */
static void *pool_of(const lease_object *lease)
{
    if (lease->pool == NULL || !PyObject_TypeCheck(lease->pool, lender_type))
        return NULL;
    return ((lender_object *)lease->pool)->pool;
}

static int lender_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((lender_object *)self)->objects);
    Py_VISIT(((lender_object *)self)->lease_type);
    return 0;
}

static int lender_clear(PyObject *self)
{
    Py_CLEAR(((lender_object *)self)->objects);
    Py_CLEAR(((lender_object *)self)->lease_type);
    return 0;
}

static void lender_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    PyObject_GC_UnTrack(self);
    ncp_py_pool_free(((lender_object *)self)->pool);
    lender_clear(self);
    release(self);
    Py_DECREF(type);
}

/* _lends(pool, objects, lease_type, is_slow): the pool is there. */
static PyObject *lender_lends(PyObject *self, PyObject *args)
{
    lender_object *lender = (lender_object *)self;
    unsigned long long address;
    PyObject *objects, *type;
    int is_slow;

    if (!PyArg_ParseTuple(args, "KO!O!p", &address, &PyDict_Type, &objects,
                          &PyType_Type, &type, &is_slow))
        return NULL;
    if (!PyType_IsSubtype((PyTypeObject *)type, ncp_py_lease_type)) {
        PyErr_SetString(PyExc_TypeError, "no type of leases");
        return NULL;
    }
    Py_INCREF(objects);
    Py_INCREF(type);
    lender_clear(self);
    lender->objects = objects;
    lender->lease_type = (PyTypeObject *)type;
    lender->is_slow = is_slow;
    if (lender->pool == NULL)
        lender->pool = pool_ref((void *)(uintptr_t)address);
    Py_RETURN_NONE;
}

/* --------------------------------------------------------------------- requests */

/* What a get is asked for. */
struct request {
    int protocol, ip;
    long long timeout_ms;
    unsigned long long cancel, tag;
    int keeps; /* of a block: the connection, in spite of an exception */
};

/* A plain timeout needs no look at anything else. Never 0 for one that is not. */
int ncp_py_read_timeout(PyObject *timeout, long long *out)
{
    double seconds;

    *out = timeout_default;
    if (timeout == Py_None)
        return 1;
    if (PyFloat_CheckExact(timeout))
        seconds = PyFloat_AsDouble(timeout);
    else if (PyLong_CheckExact(timeout))
        seconds = PyLong_AsDouble(timeout);
    else
        return 0;
    PyErr_Clear(); /* of an integer that no double can hold */
    if (!(seconds > 0 && seconds < 1e9))
        return 0;
    *out = (long long)ceil(seconds * 1000 - 1e-6);
    if (*out == 0)
        *out = 1;
    return 1;
}

/* Calls a method with the arguments of this call. */
static PyObject *forward(PyObject *self, const char *method,
                         PyObject *const *given, Py_ssize_t count,
                         PyObject *names)
{
    Py_ssize_t more = names != NULL ? PyTuple_Size(names) : 0;
    PyObject *function = PyObject_GetAttrString(self, method);
    PyObject *args = PyTuple_New(count);
    PyObject *named = PyDict_New();
    PyObject *found = NULL;

    if (function == NULL || args == NULL || named == NULL)
        goto end;
    for (Py_ssize_t i = 0; i < count; i++)
        PyTuple_SetItem(args, i, Py_NewRef(given[i]));
    for (Py_ssize_t i = 0; i < more; i++)
        if (PyDict_SetItem(named, PyTuple_GetItem(names, i),
                           given[count + i]) != 0)
            goto end;
    found = PyObject_Call(function, args, named);
end:
    Py_XDECREF(named);
    Py_XDECREF(args);
    Py_XDECREF(function);
    return found;
}

/* Whether the arguments are a timeout or nothing. */
static int is_plain(PyObject *const *given, Py_ssize_t count, PyObject *names,
                    struct request *request)
{
    Py_ssize_t more = names != NULL ? PyTuple_Size(names) : 0;

    if (count + more == 0)
        return 1;
    if (count + more > 1)
        return 0;
    if (more == 1 && PyTuple_GetItem(names, 0) != timeout_name)
        return 0;
    return ncp_py_read_timeout(given[0], &request->timeout_ms);
}

/* Reads the arguments of getconn() or connection(); what is not plain is read by
 * `method`, in Python. `kept` is what the request needs to live, or NULL. 0 on
 * failure. */
static int read_request(PyObject *self, const char *method,
                        PyObject *const *given, Py_ssize_t count,
                        PyObject *names, struct request *request,
                        PyObject **kept)
{
    *kept = NULL;
    *request = (struct request){.timeout_ms = timeout_default};
    if (is_plain(given, count, names, request))
        return 1;
    PyObject *found = forward(self, method, given, count, names);
    if (found == NULL)
        return 0;
    int is_read =
        PyArg_ParseTuple(found, "iiLKKpO", &request->protocol, &request->ip,
                         &request->timeout_ms, &request->cancel, &request->tag,
                         &request->keeps, kept);
    *kept = is_read ? Py_NewRef(*kept) : NULL;
    Py_DECREF(found);
    return is_read;
}

/* --------------------------------------------------------------------- borrowing */

/* Raises an exception that a method made; NULL when it made None: nothing is to be
 * raised. */
static PyObject *raised(PyObject *error)
{
    if (error != NULL && error != Py_None) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
        return NULL;
    }
    return error;
}

/* Where the caller is. 0 on failure. */
static int note_place(lease_object *lease)
{
    PyFrameObject *frame = PyEval_GetFrame(); /* borrowed */

    if (frame != NULL)
        return ncp_py_lease_place(lease, frame);
    PyErr_SetString(PyExc_RuntimeError, "nobody calls");
    return 0;
}

/* A lease that has no connection yet: it is there before it is needed. */
static lease_object *new_lease(lender_object *lender)
{
    if (lender->lease_type == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this pool was never made");
        return NULL;
    }
    lease_object *lease =
        ncp_py_lease_new(lender->lease_type, (PyObject *)lender);
    if (lease != NULL && note_place(lease))
        return lease;
    Py_XDECREF(lease);
    return NULL;
}

/* Gives a lease the object of its connection; what its token does not say is
 * looked up by Python. 0 on failure. */
static int find_raw(lender_object *lender, lease_object *lease)
{
    PyObject *handle = PyLong_FromLongLong(lease->token >> handle_shift);

    if (handle == NULL)
        return 0;
    PyObject *raw = PyDict_GetItemWithError(lender->objects, handle);
    Py_DECREF(handle);
    if (raw != NULL) {
        lease->raw = Py_NewRef(raw);
        return 1;
    }
    if (PyErr_Occurred())
        return 0;
    PyObject *found =
        PyObject_CallMethod((PyObject *)lender, "_found", "O", lease);
    Py_XDECREF(found);
    return found != NULL;
}

static PyObject *lend(PyObject *self, const struct request *request)
{
    lender_object *lender = (lender_object *)self;
    lease_object *lease = new_lease(lender);
    int64_t token;

    if (lease == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS token = borrow(
        lender->pool, request->protocol, request->ip, request->timeout_ms,
        (void *)(uintptr_t)request->cancel, request->tag);
    Py_END_ALLOW_THREADS if (token > 0)
    {
        lease->token = token;
        if (find_raw(lender, lease))
            return (PyObject *)lease;
    }
    else
    {
        raised(PyObject_CallMethod(self, "_get_failed", "LL", (long long)-token,
                                   request->timeout_ms));
    }
    Py_DECREF(lease);
    return NULL;
}

static PyObject *lender_getconn(PyObject *self, PyObject *const *given,
                                Py_ssize_t count, PyObject *names)
{
    struct request request;
    PyObject *kept;

    if (!read_request(self, "_wanted", given, count, names, &request, &kept))
        return NULL;
    PyObject *lease = lend(self, &request);
    Py_XDECREF(kept);
    return lease;
}

/* --------------------------------------------------------------------- returning */

static PyObject *give(lender_object *lender, lease_object *lease)
{
    int64_t token = lease->token;
    int status;

    Py_BEGIN_ALLOW_THREADS status = put(lender->pool, token);
    Py_END_ALLOW_THREADS if (status != 0) return raised(PyObject_CallMethod(
        (PyObject *)lender, "_put_failed", "iO", status, lease));
    ncp_py_lease_end(lease);
    return Py_NewRef(Py_None);
}

static PyObject *lender_putconn(PyObject *self, PyObject *const *given,
                                Py_ssize_t count, PyObject *names)
{
    lender_object *lender = (lender_object *)self;

    if (count != 1 || names != NULL || lender->is_slow ||
        !PyObject_TypeCheck(given[0], ncp_py_lease_type) ||
        ((lease_object *)given[0])->pool != self)
        return forward(self, "_give_back", given, count, names);
    return give(lender, (lease_object *)given[0]);
}

/* ------------------------------------------------------------------------ blocks */

typedef struct {
    PyObject_HEAD PyObject *lender;
    PyObject *lease; /* NULL outside of the block */
    PyObject *kept;  /* what the request needs to live, or NULL */
    struct request request;
} block_object;

static int block_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((block_object *)self)->lender);
    Py_VISIT(((block_object *)self)->lease);
    Py_VISIT(((block_object *)self)->kept);
    return 0;
}

static int block_clear(PyObject *self)
{
    Py_CLEAR(((block_object *)self)->lender);
    Py_CLEAR(((block_object *)self)->lease);
    Py_CLEAR(((block_object *)self)->kept);
    return 0;
}

static void block_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    block_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyObject *lender_connection(PyObject *self, PyObject *const *given,
                                   Py_ssize_t count, PyObject *names)
{
    struct request request;
    PyObject *kept;

    if (!read_request(self, "_wanted_block", given, count, names, &request,
                      &kept))
        return NULL;
    block_object *block = PyObject_GC_New(block_object, block_type);
    if (block == NULL) {
        Py_XDECREF(kept);
        return NULL;
    }
    block->lender = Py_NewRef(self);
    block->lease = NULL;
    block->kept = kept;
    block->request = request;
    PyObject_GC_Track(block);
    return (PyObject *)block;
}

static PyObject *block_enter(PyObject *self, PyObject *unused)
{
    block_object *block = (block_object *)self;

    (void)unused;
    if (block->lease != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this block was entered already");
        return NULL;
    }
    block->lease = lend(block->lender, &block->request);
    return Py_XNewRef(block->lease);
}

static PyObject *block_exit(PyObject *self, PyObject *const *given,
                            Py_ssize_t count)
{
    block_object *block = (block_object *)self;
    lease_object *lease = (lease_object *)block->lease;
    PyObject *done;

    block->lease = NULL;
    if (lease == NULL)
        return Py_NewRef(Py_None);
    if (lease->token == 0) /* given back, or taken out, inside of it */
        done = Py_NewRef(Py_None);
    else if (count > 0 && given[0] != Py_None)
        done = PyObject_CallMethod(block->lender, "_give_back_after", "Oi",
                                   lease, !block->request.keeps);
    else
        done =
            lender_putconn(block->lender, (PyObject *const *)&lease, 1, NULL);
    Py_DECREF(lease);
    return done;
}

static PyMethodDef block_methods[] = {
    {"__enter__", block_enter, METH_NOARGS, NULL},
    {"__exit__", NCP_PY_METHOD(block_exit), METH_FASTCALL, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot block_slots[] = {
    {Py_tp_doc, "The context manager of Pool.connection()."},
    {Py_tp_methods, block_methods},
    {Py_tp_traverse, block_traverse},
    {Py_tp_clear, block_clear},
    {Py_tp_dealloc, block_dealloc},
    {0, NULL},
};

static PyType_Spec block_spec = {
    .name = "netconnpool._lease.Borrow",
    .basicsize = sizeof(block_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = block_slots,
};

/* ------------------------------------------------------------------ the lender */

PyDoc_STRVAR(
    getconn_doc,
    "getconn($self, /, timeout=None, protocol=None, ip=None, tag=0, cancel=None)\n"
    "--\n\n"
    "Borrows a connection: an idle one, else a new one, else waits in line.\n\n"
    "``timeout`` is in seconds: None for the option ``get_timeout``, 0 to take an\n"
    "idle connection or fail, negative or infinite for no limit. ``protocol`` and\n"
    "``ip`` are what is wanted, by name, number or member; None for any. ``tag`` is\n"
    "a number of yours, shown in lists of borrowers; ``cancel`` a Cancel.\n\n"
    "Raises PoolTimeout, PoolClosed, ConnectFailed, PoolExhausted, HookFailed,\n"
    "GetCanceled.");

PyDoc_STRVAR(
    connection_doc,
    "connection($self, /, timeout=None, protocol=None, ip=None, tag=0, cancel=None,\n"
    "           *, keep_on_error=False)\n"
    "--\n\n"
    "Borrows a connection for a ``with`` block.\n\n"
    "A block that is left by an exception closes the connection, because nobody\n"
    "knows what is still to be read from it; ``keep_on_error`` gives it back all\n"
    "the same. The other arguments are those of getconn().");

PyDoc_STRVAR(
    putconn_doc,
    "putconn($self, conn, /, discard=False)\n"
    "--\n\n"
    "Gives a connection back; with ``discard`` it is closed.\n\n"
    "Raises InvalidConnection for one that has been given back already or that\n"
    "another pool lent, ConnectionLeaked for one that had been taken away,\n"
    "HookFailed and CloseFailed; the connection is gone all the same.");

static PyMethodDef lender_methods[] = {
    {"getconn", NCP_PY_METHOD(lender_getconn), METH_FASTCALL | METH_KEYWORDS,
     getconn_doc},
    {"connection", NCP_PY_METHOD(lender_connection),
     METH_FASTCALL | METH_KEYWORDS, connection_doc},
    {"putconn", NCP_PY_METHOD(lender_putconn), METH_FASTCALL | METH_KEYWORDS,
     putconn_doc},
    {"_lends", lender_lends, METH_VARARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot lender_slots[] = {
    {Py_tp_doc, "What lends leases: the base of Pool."},
    {Py_tp_methods, lender_methods},
    {Py_tp_traverse, lender_traverse},
    {Py_tp_clear, lender_clear},
    {Py_tp_dealloc, lender_dealloc},
    {0, NULL},
};

static PyType_Spec lender_spec = {
    .name = "netconnpool._lease.Lender",
    .basicsize = sizeof(lender_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = lender_slots,
};

/* ------------------------------------------------------------------------ module */

/* use(borrow, put, discard, is_shut, ref, free, handle_shift, timeout_default,
 * gone) */
static PyObject *module_use(PyObject *module, PyObject *args)
{
    unsigned long long borrows, puts, discards, asks, refs, frees;
    PyObject *nothing;

    (void)module;
    if (!PyArg_ParseTuple(args, "KKKKKKiLO", &borrows, &puts, &discards, &asks,
                          &refs, &frees, &handle_shift, &timeout_default,
                          &nothing))
        return NULL;
    *(void **)&borrow = (void *)(uintptr_t)borrows;
    *(void **)&put = (void *)(uintptr_t)puts;
    *(void **)&discard = (void *)(uintptr_t)discards;
    *(void **)&is_shut = (void *)(uintptr_t)asks;
    *(void **)&pool_ref = (void *)(uintptr_t)refs;
    *(void **)&pool_free = (void *)(uintptr_t)frees;
    Py_XDECREF(ncp_py_gone);
    ncp_py_gone = Py_NewRef(nothing);
    return Py_NewRef(Py_None);
}

static PyMethodDef module_methods[] = {
    {"use", module_use, METH_VARARGS,
     "Brings the functions of the library, by their addresses."},
    {"use_for_loops", ncp_py_puller_use, METH_VARARGS,
     "Brings what pools of event loops need besides."},
    {"forked", ncp_py_puller_forked, METH_NOARGS,
     "This is a child of a fork: no event loop of before runs."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "netconnpool._lease",
    .m_doc = "The shortest way of a borrow and of a return.",
    .m_size = -1,
    .m_methods = module_methods,
};

PyTypeObject *ncp_py_add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromSpec(spec);

    if (type != NULL && PyModule_AddType(module, (PyTypeObject *)type) != 0)
        Py_CLEAR(type);
    return (PyTypeObject *)type;
}

PyMODINIT_FUNC PyInit__lease(void)
{
    PyObject *module = PyModule_Create(&module_definition);

    if (module == NULL)
        return NULL;
    f_lasti = PyUnicode_InternFromString("f_lasti");
    timeout_name = PyUnicode_InternFromString("timeout");
    ncp_py_lease_type = ncp_py_add_type(module, &lease_spec);
    lender_type = ncp_py_add_type(module, &lender_spec);
    block_type = ncp_py_add_type(module, &block_spec);
    puller_type = ncp_py_puller_type(module);
    if (f_lasti != NULL && timeout_name != NULL && ncp_py_lease_type != NULL &&
        lender_type != NULL && block_type != NULL && puller_type != NULL)
        return module;
    Py_DECREF(module);
    return NULL;
}
