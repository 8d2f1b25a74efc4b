/*
 * What the parts of the module _lease have in common: the leases.
 */
#ifndef NETCONNPOOL_PY_LEASE_H
#define NETCONNPOOL_PY_LEASE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>

typedef struct {
    PyObject_HEAD PyObject *raw; /* what the dialer made, or `gone` */
    PyObject *pool;
    PyObject *code; /* where it was borrowed */
    PyObject *weak;
    long long token;  /* 0 when it has ended */
    long long handle; /* of the connection, in a pool of an event loop */
    int instruction;
} lease_object;

#define NCP_PY_METHOD(FUNCTION) (PyCFunction)(void (*)(void))(FUNCTION)

/* What a lease holds that has ended; set by use(). */
extern PyObject *ncp_py_gone;
extern PyTypeObject *ncp_py_lease_type;

/* A lease without a connection. */
lease_object *ncp_py_lease_new(PyTypeObject *type, PyObject *pool);
/* Writes into a lease where its borrower is. 0 on failure. */
int ncp_py_lease_place(lease_object *lease, PyFrameObject *frame);
/* Ends a lease for whoever holds it. */
void ncp_py_lease_end(lease_object *lease);
/* A timeout of a get in milliseconds; 0 when it is not a plain one. */
int ncp_py_read_timeout(PyObject *timeout, long long *out);

/* A reference on a pool of the library, and its end. */
void *ncp_py_pool_ref(void *pool);
void ncp_py_pool_free(void *pool);
PyTypeObject *ncp_py_add_type(PyObject *module, PyType_Spec *spec);

/* The base of pools of event loops, in _puller.c. NULL on failure. */
PyTypeObject *ncp_py_puller_type(PyObject *module);
PyObject *ncp_py_puller_use(PyObject *module, PyObject *args);
PyObject *ncp_py_puller_forked(PyObject *module, PyObject *unused);

#endif /* NETCONNPOOL_PY_LEASE_H */
