/* What a program outside of the project does: one pool, one borrow. */
#include <netconnpool.h>

#include <stdio.h>

static int dial(void *user, ncp_dial *dial)
{
    (void)user;
    return ncp_dial_done(dial, 42, -1, NCP_PROTOCOL_TCP, NCP_IP_V4);
}

static int fail(const char *what, int status)
{
    fprintf(stderr, "%s: %s\n", what, ncp_status_text(status));
    return 1;
}

int main(void)
{
    ncp_config *config;
    ncp_pool *pool;
    ncp_lease lease;
    uint64_t handle;
    int status;

    status = ncp_config_new(NCP_MODE_CLIENT, &config);
    if (status != NCP_OK)
        return fail("config", status);
    status = ncp_config_set_dialer(config, dial, NULL, NULL);
    if (status != NCP_OK)
        return fail("dialer", status);
    status = ncp_pool_new(config, &pool);
    if (status != NCP_OK)
        return fail(ncp_config_reason(config), status);
    status = ncp_pool_get(pool, &lease);
    if (status != NCP_OK)
        return fail("get", status);
    status = ncp_lease_handle(pool, lease, &handle);
    if (status != NCP_OK || handle != 42)
        return fail("handle", status);
    status = ncp_pool_put(pool, lease);
    if (status != NCP_OK)
        return fail("put", status);
    status = ncp_pool_close(pool);
    if (status != NCP_OK)
        return fail("close", status);
    ncp_pool_free(pool);
    ncp_config_free(config);
    printf("consumer of %s\n", ncp_version_text());
    return 0;
}
