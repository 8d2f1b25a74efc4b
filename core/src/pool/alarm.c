#include "pool/alarm.h"

#include <fcntl.h>
#include <unistd.h>

void ncp__alarm_close(struct ncp__alarm *alarm)
{
    if (alarm->fd < 0)
        return;
    close(alarm->fd);
    if (alarm->write_fd != alarm->fd)
        close(alarm->write_fd);
    alarm->fd = -1;
    alarm->write_fd = -1;
}

static void replace(int with, int number)
{
    dup2(with, number);
    fcntl(number, F_SETFD, FD_CLOEXEC);
}

void ncp__alarm_forked(struct ncp__alarm *alarm)
{
    struct ncp__alarm own;

    if (alarm->fd < 0 || ncp__alarm_open(&own) != NCP_OK)
        return;
    replace(own.fd, alarm->fd);
    if (alarm->write_fd != alarm->fd)
        replace(own.write_fd, alarm->write_fd);
    ncp__alarm_close(&own);
}
