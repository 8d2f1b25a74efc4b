/*
 * The statuses, and the version.
 */
#include "engine/base.h"

struct status_row {
    const char *name;
    const char *text;
};

/* By -status: statuses are the numbers from 0 down without a gap. */
#define STATUS_ROW(STATUS, TEXT) [-(STATUS)] = {#STATUS, TEXT}

static const struct status_row status_rows[] = {
    STATUS_ROW(NCP_OK, "success"),
    STATUS_ROW(NCP_ECLOSED, "pool is closed"),
    STATUS_ROW(NCP_ECONNCLOSED, "connection is closed"),
    STATUS_ROW(NCP_ETIMEOUT, "get connection timeout"),
    STATUS_ROW(NCP_EMAXCONN, "max connections limit reached"),
    STATUS_ROW(NCP_EINVALIDCONN, "invalid connection"),
    STATUS_ROW(NCP_EUNHEALTHY, "connection unhealthy"),
    STATUS_ROW(NCP_EINVALIDCONFIG, "invalid config parameters"),
    STATUS_ROW(NCP_ELEAKED, "connection leak detected: connection not "
                            "returned within timeout"),
    STATUS_ROW(NCP_EEXHAUSTED, "pool exhausted, cannot create new connection"),
    STATUS_ROW(NCP_EUNSUPPORTEDIP, "unsupported IP version"),
    STATUS_ROW(NCP_ENOIP, "no available connection for specified IP version"),
    STATUS_ROW(NCP_EUNSUPPORTEDPROTO, "unsupported protocol type"),
    STATUS_ROW(NCP_ENOPROTO, "no available connection for specified protocol"),
    STATUS_ROW(NCP_EDIAL, "connection could not be created"),
    STATUS_ROW(NCP_EHOOK, "connection refused by a hook"),
    STATUS_ROW(NCP_ECLOSEHOOK, "connection could not be closed cleanly"),
    STATUS_ROW(NCP_ECANCELED, "get connection canceled"),
    STATUS_ROW(NCP_ENOMEM, "out of memory"),
    STATUS_ROW(NCP_ESYS, "system call failed"),
    STATUS_ROW(NCP_EUSER, "callback failed"),
    STATUS_ROW(NCP_EINVAL, "invalid argument"),
    STATUS_ROW(NCP_EWAITERS, "too many callers wait for a connection"),
    STATUS_ROW(NCP_EBREAKER, "circuit breaker is open"),
    STATUS_ROW(NCP_ESTATE, "not possible in this state"),
    STATUS_ROW(NCP_ENOTFOUND, "not found"),
    STATUS_ROW(NCP_EAGAIN, "not ready yet"),
};

enum { STATUS_COUNT = sizeof status_rows / sizeof status_rows[0] };

static const struct status_row *status_row(int status)
{
    static const struct status_row unknown = {"NCP_UNKNOWN", "unknown status"};

    if (status > 0 || status <= -STATUS_COUNT)
        return &unknown;
    return &status_rows[-status];
}

const char *ncp_status_text(int status)
{
    return status_row(status)->text;
}

const char *ncp_status_name(int status)
{
    return status_row(status)->name;
}

int ncp_status_at(int index, int *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = NCP_OK;
    if (index < 0 || index >= STATUS_COUNT)
        return NCP_ENOTFOUND;
    *out = -index;
    return NCP_OK;
}

#define VERSION_TEXT(MAJOR, MINOR, PATCH) #MAJOR "." #MINOR "." #PATCH
#define VERSION_EXPAND(MAJOR, MINOR, PATCH) VERSION_TEXT(MAJOR, MINOR, PATCH)

int ncp_version(void)
{
    return NCP_VERSION_MAJOR * 1000000 + NCP_VERSION_MINOR * 1000 +
           NCP_VERSION_PATCH;
}

const char *ncp_version_text(void)
{
    return VERSION_EXPAND(NCP_VERSION_MAJOR, NCP_VERSION_MINOR,
                          NCP_VERSION_PATCH);
}
