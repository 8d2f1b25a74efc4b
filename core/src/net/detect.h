/*
 * What a descriptor is.
 */
#ifndef NCP_NET_DETECT_H
#define NCP_NET_DETECT_H

/* As ncp_fd_detect(), for any fd; neither pointer is NULL. */
void ncp__detect(int fd, int *protocol, int *ip);

#endif
