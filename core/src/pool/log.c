#include "pool/pool.h"

#include <stdarg.h>
#include <stdio.h>

void ncp__log(const ncp_pool *pool, int level, uint64_t conn_id,
              const char *format, ...)
{
    const struct ncp__hook *log = pool->config.log;
    char line[512];
    va_list arguments;

    if (!NCP__LOGS(pool, level))
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (log != NULL)
        log->fn.log(log->user, level, conn_id, line);
    ncp__host_log(pool, level, conn_id, line);
}
