#include "subject.h"

#include <pthread.h>

static pthread_mutex_t dials_lock = PTHREAD_MUTEX_INITIALIZER;
static struct dials dials; /* guarded by dials_lock; dial_ms is set before */

void dials_reset(int64_t dial_ms)
{
    dials = (struct dials){.dial_ms = dial_ms};
}

struct dials dials_now(void)
{
    pthread_mutex_lock(&dials_lock);
    struct dials now = dials;
    pthread_mutex_unlock(&dials_lock);
    return now;
}

uint64_t dials_open(void)
{
    if (dials.dial_ms > 0)
        bench_sleep((double)dials.dial_ms / 1e3);
    pthread_mutex_lock(&dials_lock);
    uint64_t connection = (uint64_t)++dials.opened;
    pthread_mutex_unlock(&dials_lock);
    return connection;
}

void dials_close(uint64_t connection)
{
    (void)connection;
    pthread_mutex_lock(&dials_lock);
    dials.closed++;
    pthread_mutex_unlock(&dials_lock);
}
