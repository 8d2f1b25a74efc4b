/* An alarm is a pipe. */
#ifdef __linux__
typedef int ncp__alarm_posix_not_used; /* no empty file in C */
#else

#include "pool/alarm.h"

#include <fcntl.h>
#include <unistd.h>

static void prepare(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int ncp__alarm_open(struct ncp__alarm *alarm)
{
    int ends[2] = {-1, -1};
    int rc = pipe(ends) == 0 ? NCP_OK : NCP_ESYS;

    alarm->fd = ends[0];
    alarm->write_fd = ends[1];
    if (rc == NCP_OK) {
        prepare(ends[0]);
        prepare(ends[1]);
    }
    return rc;
}

void ncp__alarm_ring(const struct ncp__alarm *alarm)
{
    if (write(alarm->write_fd, "", 1) < 0)
        return; /* it rings already */
}

void ncp__alarm_silence(const struct ncp__alarm *alarm)
{
    char bytes[64];

    while (read(alarm->fd, bytes, sizeof(bytes)) > 0)
        continue;
}

#endif
