/*
 * Who waits for which ticket: a table of a few bytes a place, because there may be
 * thousands of them.
 */
#ifndef NETCONNPOOL_PY_PLACES_H
#define NETCONNPOOL_PY_PLACES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>

struct ncp_py_place {
    uint64_t ticket; /* 0 for none */
    PyObject *waiter;
};

/* All zero for none. Open addressing; at most half of the room is taken. */
struct ncp_py_places {
    struct ncp_py_place *of;
    size_t room; /* 0, or a power of 2 */
    size_t count;
};

/* Takes a reference on the waiter. 0 on failure, with an exception. */
int ncp_py_places_add(struct ncp_py_places *places, uint64_t ticket,
                      PyObject *waiter);
/* The waiter of a ticket, who waits no more: yours; NULL when there is none, without
 * an exception. */
PyObject *ncp_py_places_take(struct ncp_py_places *places, uint64_t ticket);
int ncp_py_places_visit(const struct ncp_py_places *places, visitproc visit,
                        void *arg);
void ncp_py_places_clear(struct ncp_py_places *places);

#endif /* NETCONNPOOL_PY_PLACES_H */
