/*
 * Connections under TLS: a dialer of one's own makes them, the pool holds them by
 * the address of their SSL, a closer ends them.
 */
#include "peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
    SSL_CTX *context;
    struct sockaddr_in at;
};

static void forget_server(void *user)
{
    struct server *server = user;
    SSL_CTX_free(server->context);
    free(server);
}

static int connect_tcp(const struct server *server)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&server->at,
                           sizeof server->at) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static SSL *handshake(const struct server *server, int fd)
{
    SSL *tls = SSL_new(server->context);
    if (tls != NULL && SSL_set_fd(tls, fd) == 1 && SSL_connect(tls) == 1)
        return tls;
    SSL_free(tls);
    return NULL;
}

static int dial(void *user, ncp_dial *dial)
{
    const struct server *server = user;
    int fd = connect_tcp(server);
    if (fd < 0) {
        ncp_dial_fail(dial, errno, "no connection");
        return NCP_EDIAL;
    }
    struct timeval limit = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    SSL *tls = handshake(server, fd);
    ERR_clear_error();
    if (tls == NULL) {
        close(fd);
        ncp_dial_fail(dial, EPROTO, "no handshake");
        return NCP_EDIAL;
    }
    return ncp_dial_done(dial, (uintptr_t)tls, fd, NCP_PROTOCOL_TCP, NCP_IP_V4);
}

static int end(void *user, const ncp_conn *conn, int reason)
{
    (void)user;
    (void)reason;
    SSL *tls = (void *)(uintptr_t)ncp_conn_handle(conn);
    int fd = SSL_get_fd(tls);
    SSL_shutdown(tls);
    SSL_free(tls);
    ERR_clear_error();
    return close(fd) == 0 ? NCP_OK : NCP_ECLOSEHOOK;
}

/* "tcp://127.0.0.1:port"; the certificate is looked for in NCP_PEERS_CA. */
bool tls_configure(ncp_config *config, const char *target)
{
    struct server *server = calloc(1, sizeof *server);
    const char *port = strrchr(target, ':');
    if (server == NULL || port == NULL)
        return false;
    server->at.sin_family = AF_INET;
    server->at.sin_port = htons((uint16_t)strtoul(port + 1, NULL, 10));
    server->at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->context = SSL_CTX_new(TLS_client_method());
    const char *authority = getenv("NCP_PEERS_CA");
    if (authority == NULL ||
        SSL_CTX_load_verify_locations(server->context, authority, NULL) != 1) {
        forget_server(server);
        return false;
    }
    SSL_CTX_set_verify(server->context, SSL_VERIFY_PEER, NULL);
    return ncp_config_set_dialer(config, dial, server, forget_server) ==
               NCP_OK &&
           ncp_config_set_callback(config, NCP_CALLBACK_CLOSER, end, NULL,
                                   NULL) == NCP_OK;
}

bool tls_send(void *tls, const char *text, size_t size)
{
    int sent = SSL_write(tls, text, (int)size);
    ERR_clear_error();
    return sent == (int)size;
}

ssize_t tls_receive(void *tls, char *into, size_t room)
{
    int got = SSL_read(tls, into, (int)room);
    ERR_clear_error();
    return got;
}

/* The locks and atomics of OpenSSL are not instrumented: what the thread
 * sanitizer sees of it are memcmp() and malloc() without them. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libcrypto.so\ncalled_from_lib:libssl.so\n";
}
