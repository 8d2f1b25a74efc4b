/* Who waits for which ticket. */
#include "_places.h"

enum { FIRST_ROOM = 8 };

/* Where a ticket belongs when nobody is in its way. */
static size_t home_of(const struct ncp_py_places *places, uint64_t ticket)
{
    uint64_t mixed = ticket * UINT64_C(0x9E3779B97F4A7C15);

    return (size_t)(mixed >> 32) & (places->room - 1);
}

static size_t after(const struct ncp_py_places *places, size_t at)
{
    return (at + 1) & (places->room - 1);
}

/* Where a ticket is, or where it would be put. */
static size_t find(const struct ncp_py_places *places, uint64_t ticket)
{
    size_t at = home_of(places, ticket);

    while (places->of[at].ticket != 0 && places->of[at].ticket != ticket)
        at = after(places, at);
    return at;
}

static int grow(struct ncp_py_places *places)
{
    struct ncp_py_places more = {NULL, FIRST_ROOM, places->count};

    if (places->room != 0)
        more.room = 2 * places->room;
    more.of = PyMem_Calloc(more.room, sizeof(*more.of));
    if (more.of == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    for (size_t i = 0; i < places->room; i++)
        if (places->of[i].ticket != 0)
            more.of[find(&more, places->of[i].ticket)] = places->of[i];
    PyMem_Free(places->of);
    *places = more;
    return 1;
}

int ncp_py_places_add(struct ncp_py_places *places, uint64_t ticket,
                      PyObject *waiter)
{
    if (2 * (places->count + 1) > places->room && !grow(places))
        return 0;
    struct ncp_py_place *place = &places->of[find(places, ticket)];
    if (ticket == 0 || place->ticket != 0) {
        PyErr_SetString(PyExc_RuntimeError, "no ticket, or one that is known");
        return 0;
    }
    *place = (struct ncp_py_place){ticket, Py_NewRef(waiter)};
    places->count++;
    return 1;
}

/* Fills a gap with those behind it that would not be found any more. */
static void close_gap(struct ncp_py_places *places, size_t gap)
{
    size_t mask = places->room - 1;

    for (size_t at = after(places, gap); places->of[at].ticket != 0;
         at = after(places, at)) {
        size_t home = home_of(places, places->of[at].ticket);
        if (((at - home) & mask) < ((at - gap) & mask))
            continue; /* the gap is before its home */
        places->of[gap] = places->of[at];
        gap = at;
    }
    places->of[gap] = (struct ncp_py_place){0, NULL};
}

PyObject *ncp_py_places_take(struct ncp_py_places *places, uint64_t ticket)
{
    if (places->count == 0 || ticket == 0)
        return NULL;
    size_t at = find(places, ticket);
    PyObject *waiter = places->of[at].waiter;
    if (waiter == NULL)
        return NULL;
    places->count--;
    close_gap(places, at);
    return waiter;
}

int ncp_py_places_visit(const struct ncp_py_places *places, visitproc visit,
                        void *arg)
{
    for (size_t i = 0; i < places->room; i++)
        Py_VISIT(places->of[i].waiter);
    return 0;
}

void ncp_py_places_clear(struct ncp_py_places *places)
{
    struct ncp_py_places old = *places;

    *places = (struct ncp_py_places){NULL, 0, 0};
    for (size_t i = 0; i < old.room; i++)
        Py_XDECREF(old.of[i].waiter);
    PyMem_Free(old.of);
}
