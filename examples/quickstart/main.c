/* quickstart TARGET, such as tcp://127.0.0.1:7: says hello to an echo server */
#include <netconnpool.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    ncp_config *config;
    ncp_pool *pool;
    ncp_lease lease;
    char reply[6] = "";

    ncp_config_new(NCP_MODE_CLIENT, &config);
    ncp_config_set(config, "target", argc > 1 ? argv[1] : "tcp://localhost:7");
    int status = ncp_pool_new(config, &pool);
    if (status != NCP_OK)
        fprintf(stderr, "%s\n", ncp_config_reason(config));
    ncp_config_free(config);

    if (status == NCP_OK && (status = ncp_pool_get(pool, &lease)) == NCP_OK) {
        int fd = ncp_lease_fd(pool, lease);
        if (write(fd, "hello", 5) == 5 && read(fd, reply, 5) == 5)
            status = ncp_pool_put(pool, lease); /* the next get reuses it */
        else
            ncp_pool_discard(pool, lease); /* broken: closed, its place free */
    }
    printf("%s: \"%s\"\n", ncp_status_text(status), reply);
    ncp_pool_free(pool);
    return reply[0] == 'h' ? 0 : 1;
}
