/*
 * The other side: every connection the runner makes has its peer in this
 * process; one thread sends back what a peer receives.
 */
#include "runner.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_HANDLE = 1000000, CLIENTS = 64 };

static struct {
    pthread_mutex_t lock; /* guards conns, count and making them */
    struct conn conns[RUN_CONNS];
    atomic_int count;
    int clients[CLIENTS]; /* of a listener, not adopted yet */
    int client_count;
    int epoll;
} echo = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *const TYPES[] = {"tcp4", "tcp6", "udp4", "udp6",
                                    "unix", "pipe", "fail", "nil"};

enum conn_type conn_type_of(const char *name)
{
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (strcmp(name, TYPES[i]) == 0)
            return (enum conn_type)i;
    fail("no such type of connection: %s", name);
}

static void send_back(struct conn *conn, char *data, size_t size)
{
    if (conn->peer < 0)
        return;
    ssize_t got = recv(conn->peer, data, size, MSG_DONTWAIT);
    bool stream = conn->type != CONN_UDP4 && conn->type != CONN_UDP6;
    if (got > 0) {
        send(conn->peer, data, (size_t)got, MSG_NOSIGNAL | MSG_DONTWAIT);
    } else if (stream && (got == 0 || (errno != EAGAIN && errno != EINTR))) {
        epoll_ctl(echo.epoll, EPOLL_CTL_DEL, conn->peer, NULL);
        atomic_store(&conn->peer_eof, true);
    }
}

static void *echo_thread(void *unused)
{
    (void)unused;
    char data[65536];
    for (;;) {
        struct epoll_event event;
        if (epoll_wait(echo.epoll, &event, 1, -1) != 1)
            continue;
        pthread_mutex_lock(&echo.lock);
        if ((int)event.data.u32 < conn_count())
            send_back(&echo.conns[event.data.u32], data, sizeof data);
        pthread_mutex_unlock(&echo.lock);
    }
    return NULL;
}

void echo_start(void)
{
    echo.epoll = epoll_create1(EPOLL_CLOEXEC);
    pthread_t thread;
    if (echo.epoll < 0 || pthread_create(&thread, NULL, echo_thread, NULL) != 0)
        fail("the echo server does not start");
    pthread_detach(thread);
}

/* ------------------------------------------------------------ making a pair */

static socklen_t loopback(int family, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    in6->sin6_family = AF_INET6;
    in6->sin6_addr = in6addr_loopback;
    return sizeof *in6;
}

static int bound(int family, int type)
{
    struct sockaddr_storage at;
    socklen_t size = loopback(family, &at);
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) != 0)
        fail("no socket on loopback: %s", strerror(errno));
    return fd;
}

static void connect_to(int fd, int other)
{
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    if (getsockname(other, (struct sockaddr *)&at, &size) != 0 ||
        connect(fd, (struct sockaddr *)&at, size) != 0)
        fail("no connection on loopback: %s", strerror(errno));
}

static void pair_stream(int family, int *fd, int *peer)
{
    int listener = bound(family, SOCK_STREAM);
    if (listen(listener, 1) != 0)
        fail("listen: %s", strerror(errno));
    *fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connect_to(*fd, listener);
    *peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (*peer < 0)
        fail("accept: %s", strerror(errno));
    close(listener);
}

static void pair_datagram(int family, int *fd, int *peer)
{
    *fd = bound(family, SOCK_DGRAM);
    *peer = bound(family, SOCK_DGRAM);
    connect_to(*fd, *peer);
    connect_to(*peer, *fd);
}

static void pair_unix(int *fd, int *peer)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    /* An abstract name, with words in it that must not be read as anything. */
    int length =
        snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "ncp-tcp-udp-%d-%d",
                 (int)getpid(), atomic_load(&echo.count));
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) +
                     (socklen_t)length;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&at, size) != 0 ||
        listen(listener, 1) != 0)
        fail("no unix socket: %s", strerror(errno));
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(*fd, (struct sockaddr *)&at, size) != 0)
        fail("no unix connection: %s", strerror(errno));
    *peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    close(listener);
}

static void make_pair(enum conn_type type, int *fd, int *peer)
{
    int both[2];
    switch (type) {
    case CONN_TCP4:
    case CONN_TCP6:
        pair_stream(type == CONN_TCP4 ? AF_INET : AF_INET6, fd, peer);
        break;
    case CONN_UDP4:
    case CONN_UDP6:
        pair_datagram(type == CONN_UDP4 ? AF_INET : AF_INET6, fd, peer);
        break;
    case CONN_UNIX:
        pair_unix(fd, peer);
        break;
    default:
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) != 0)
            fail("socketpair: %s", strerror(errno));
        *fd = both[0];
        *peer = both[1];
        break;
    }
}

/* The number may be somebody else's by now, which is what is to be found out:
 * asked past the sanitizers, who would call that a race. */
static ino_t inode_of(int fd)
{
    struct stat about;
    return syscall(SYS_fstat, fd, &about) == 0 ? about.st_ino : 0;
}

/* With the lock held. */
static struct conn *conn_register(enum conn_type type, int fd, int peer)
{
    int index = atomic_load(&echo.count);
    if (index == RUN_CONNS)
        fail("more than %d connections in one case", RUN_CONNS);
    struct conn *conn = &echo.conns[index];
    memset(conn, 0, sizeof *conn);
    conn->index = index;
    conn->type = type;
    conn->fd = fd;
    conn->peer = peer;
    conn->inode = inode_of(fd);
    conn->handle = (uint64_t)(FIRST_HANDLE + index);
    bool known = type <= CONN_UDP6;
    conn->protocol = !known                ? NCP_PROTOCOL_UNKNOWN
                     : (type <= CONN_TCP6) ? NCP_PROTOCOL_TCP
                                           : NCP_PROTOCOL_UDP;
    conn->ip = !known                                     ? NCP_IP_UNKNOWN
               : (type == CONN_TCP4 || type == CONN_UDP4) ? NCP_IP_V4
                                                          : NCP_IP_V6;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
    if (peer >= 0)
        epoll_ctl(echo.epoll, EPOLL_CTL_ADD, peer, &event);
    atomic_store(&echo.count, index + 1);
    return conn;
}

struct conn *conn_make(enum conn_type type)
{
    pthread_mutex_lock(&echo.lock);
    int fd, peer;
    make_pair(type, &fd, &peer);
    struct conn *conn = conn_register(type, fd, peer);
    pthread_mutex_unlock(&echo.lock);
    return conn;
}

/* ------------------------------------------------------------- finding them */

struct conn *conn_at(int index)
{
    if (index < 0 || index >= atomic_load(&echo.count))
        fail("there is no connection number %d", index);
    return &echo.conns[index];
}

int conn_count(void)
{
    return atomic_load(&echo.count);
}

static struct conn *by_handle_locked(uint64_t handle)
{
    if (handle >= FIRST_HANDLE &&
        handle < (uint64_t)FIRST_HANDLE + (uint64_t)conn_count())
        return &echo.conns[handle - FIRST_HANDLE];
    for (int i = 0; i < conn_count(); i++)
        if (echo.conns[i].server && echo.conns[i].handle == handle &&
            conn_is_open(&echo.conns[i]))
            return &echo.conns[i];
    return NULL;
}

struct conn *conn_by_handle(uint64_t handle)
{
    pthread_mutex_lock(&echo.lock);
    struct conn *conn = by_handle_locked(handle);
    pthread_mutex_unlock(&echo.lock);
    return conn;
}

/* The client among those that wait whose address is the peer of `fd`. */
static int client_of(int fd)
{
    struct sockaddr_in other, own;
    socklen_t size = sizeof other;
    if (getpeername(fd, (struct sockaddr *)&other, &size) != 0)
        return -1;
    for (int i = 0; i < echo.client_count; i++) {
        size = sizeof own;
        int client = echo.clients[i];
        if (getsockname(client, (struct sockaddr *)&own, &size) == 0 &&
            own.sin_port == other.sin_port) {
            echo.clients[i] = echo.clients[--echo.client_count];
            return client;
        }
    }
    return -1;
}

struct conn *conn_adopt(uint64_t handle, int fd)
{
    pthread_mutex_lock(&echo.lock);
    struct conn *conn = by_handle_locked(handle);
    if (conn == NULL && fd < 0)
        fail("a connection with the unknown handle %llu",
             (unsigned long long)handle);
    if (conn == NULL) {
        conn = conn_register(CONN_TCP4, fd, client_of(fd));
        conn->server = true;
        conn->handle = handle;
    }
    pthread_mutex_unlock(&echo.lock);
    return conn;
}

void conn_by_descriptor(struct conn *conn)
{
    pthread_mutex_lock(&echo.lock);
    conn->server = true;
    conn->handle = (uint64_t)conn->fd;
    pthread_mutex_unlock(&echo.lock);
}

bool conn_is_open(const struct conn *conn)
{
    return conn->fd >= 0 && inode_of(conn->fd) == conn->inode;
}

void conn_close_client(struct conn *conn)
{
    close(conn->fd);
}

int listener_new(void)
{
    int fd = bound(AF_INET, SOCK_STREAM);
    if (listen(fd, 64) != 0)
        fail("listen: %s", strerror(errno));
    return fd;
}

int client_connect(int listener)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connect_to(fd, listener);
    pthread_mutex_lock(&echo.lock);
    if (echo.client_count == CLIENTS)
        fail("too many clients that nobody accepts");
    echo.clients[echo.client_count++] = fd;
    pthread_mutex_unlock(&echo.lock);
    return fd;
}

void peer_end(struct conn *conn, bool reset)
{
    pthread_mutex_lock(&echo.lock);
    if (conn->peer < 0)
        fail("the peer of connection %d is closed already", conn->index);
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        setsockopt(conn->peer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    epoll_ctl(echo.epoll, EPOLL_CTL_DEL, conn->peer, NULL);
    close(conn->peer);
    conn->peer = -1;
    pthread_mutex_unlock(&echo.lock);
}

void echo_reset(void)
{
    pthread_mutex_lock(&echo.lock);
    for (int i = 0; i < conn_count(); i++) {
        struct conn *conn = &echo.conns[i];
        if (conn->peer < 0)
            continue;
        epoll_ctl(echo.epoll, EPOLL_CTL_DEL, conn->peer, NULL);
        close(conn->peer);
        conn->peer = -1;
    }
    for (int i = 0; i < echo.client_count; i++)
        close(echo.clients[i]);
    echo.client_count = 0;
    atomic_store(&echo.count, 0);
    pthread_mutex_unlock(&echo.lock);
}

bool ipv6_works(void)
{
    struct sockaddr_storage at;
    socklen_t size = loopback(AF_INET6, &at);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool works = fd >= 0 && bind(fd, (struct sockaddr *)&at, size) == 0;
    if (fd >= 0)
        close(fd);
    return works;
}
