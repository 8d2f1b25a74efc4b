/* An alarm is an eventfd. */
#ifdef __linux__

#include "pool/alarm.h"

#include <sys/eventfd.h>
#include <unistd.h>

int ncp__alarm_open(struct ncp__alarm *alarm)
{
    alarm->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    alarm->write_fd = alarm->fd;
    return alarm->fd < 0 ? NCP_ESYS : NCP_OK;
}

void ncp__alarm_ring(const struct ncp__alarm *alarm)
{
    uint64_t one = 1;

    if (write(alarm->write_fd, &one, sizeof(one)) < 0)
        return; /* it rings already */
}

void ncp__alarm_silence(const struct ncp__alarm *alarm)
{
    uint64_t count;

    if (read(alarm->fd, &count, sizeof(count)) < 0)
        return; /* it did not ring */
}

#endif
