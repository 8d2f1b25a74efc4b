/*
 * The end of the process right after the last pool: a thread of the library that
 * is on its way out must not run the destructors of other libraries after those
 * have cleaned up. A key with a slow destructor stands in for such a library.
 */
#include "child.h"
#include "world.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 40 };

static pthread_key_t key;
static atomic_int cleaned_up;

static void library_thread_ends(void *unused)
{
    (void)unused;
    usleep(3000);
    if (atomic_load(&cleaned_up))
        _exit(3); /* a real library would crash */
}

static void library_cleans_up(void)
{
    atomic_store(&cleaned_up, 1);
    usleep(10000);
}

static void library_begins(void)
{
    pthread_key_create(&key, library_thread_ends);
    (void)atexit(library_cleans_up);
}

static int dial(void *user, ncp_dial *dial)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)user;
    pthread_once(&once, library_begins);
    pthread_setspecific(key, "used");
    return ncp_dial_done(dial, 1, -1, NCP_PROTOCOL_TCP, NCP_IP_V4);
}

static void use_a_pool(void)
{
    ncp_config *config;
    ncp_pool *pool;
    ncp_lease lease;

    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    REQUIRE_EQ(ncp_config_set_dialer(config, dial, NULL, NULL), NCP_OK);
    REQUIRE_EQ(ncp_pool_new(config, &pool), NCP_OK);
    ncp_config_free(config);
    REQUIRE_EQ(ncp_pool_get(pool, &lease), NCP_OK);
    REQUIRE_EQ(ncp_pool_put(pool, lease), NCP_OK);
    ncp_pool_free(pool);
}

int main(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = fork();
        int status = -1;
        REQUIRE(pid >= 0);
        if (pid == 0) {
            use_a_pool();
            exit(0);
        }
        REQUIRE_EQ(waitpid(pid, &status, 0), pid);
        REQUIRE(WIFEXITED(status));
        REQUIRE_EQ(WEXITSTATUS(status), 0);
    }
    printf("farewell: %d processes ended\n", ROUNDS);
    return 0;
}
