/*
 * Names: of leases, events, tokens; and who owns a connection.
 */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "$i" becomes the index of the thread. */
void name_expand(const char *name, int index, char *out)
{
    const char *mark = strstr(name, "$i");
    if (mark == NULL)
        snprintf(out, RUN_NAME_SIZE, "%s", name);
    else
        snprintf(out, RUN_NAME_SIZE, "%.*s%d%s", (int)(mark - name), name,
                 index, mark + 2);
}

struct var *var_new(const char *name, int scope)
{
    struct var *var = calloc(1, sizeof *var);
    snprintf(var->name, sizeof var->name, "%s", name);
    var->scope = scope < 0 ? -1 : scope;
    pthread_mutex_lock(&scene.lock);
    var->next = scene.vars; /* hides an older one of the same name */
    scene.vars = var;
    pthread_mutex_unlock(&scene.lock);
    return var;
}

struct var *var_lookup(const char *name, int scope)
{
    struct var *shared = NULL, *own = NULL;
    pthread_mutex_lock(&scene.lock);
    for (struct var *var = scene.vars; var != NULL && own == NULL;
         var = var->next) {
        if (strcmp(var->name, name) != 0)
            continue;
        if (var->scope == scope)
            own = var;
        else if (var->scope == -1 && shared == NULL)
            shared = var;
    }
    pthread_mutex_unlock(&scene.lock);
    return own != NULL ? own : shared;
}

struct var *var_find(const char *name, int scope)
{
    struct var *var = var_lookup(name, scope);
    if (var == NULL)
        fail("nothing is called %s here", name);
    return var;
}

/* A lease by name, or "dialed.N": the connection of dial N. */
struct conn *conn_named(const char *name, int scope)
{
    if (strncmp(name, "dialed.", 7) == 0)
        return conn_at(atoi(name + 7));
    struct conn *conn = var_find(name, scope)->conn;
    if (conn == NULL)
        fail("%s has no connection", name);
    return conn;
}

static uint64_t info_of(const struct var *var, int info)
{
    uint64_t value = 0;
    int status = ncp_lease_info(var->pool->pool, var->lease, info, &value);
    if (status != NCP_OK)
        fail("a lease that was just given is unknown: %s", result_text(status));
    return value;
}

/* From now on the runner owns the connection; nobody else may. */
void lease_got(struct var *var, struct pool *pool, ncp_lease lease)
{
    var->pool = pool;
    var->lease = lease;
    if (lease == 0 || lease >= UINT64_C(1) << 53)
        fail("a get succeeded with the lease %llu", (unsigned long long)lease);
    var->conn_id = info_of(var, NCP_INFO_ID);
    var->conn = conn_adopt(info_of(var, NCP_INFO_HANDLE),
                           (int)(int64_t)info_of(var, NCP_INFO_FD));
    if (atomic_fetch_add(&var->conn->owners, 1) != 0)
        fail("connection %d is lent to two borrowers", var->conn->index);
    if (atomic_load(&var->conn->checks) != 0)
        fail("connection %d is lent while it is checked", var->conn->index);
    if (atomic_load(&var->conn->closer_calls) != 0)
        fail("connection %d is lent after it was closed", var->conn->index);
    var->out = true;
    count_check();
}

void lease_back(struct var *var)
{
    if (!var->out)
        return;
    var->out = false;
    atomic_fetch_sub(&var->conn->owners, 1);
}

ncp_cancel *token_named(const char *name)
{
    ncp_cancel *cancel = NULL;
    pthread_mutex_lock(&scene.lock);
    for (int i = 0; i < scene.token_count; i++)
        if (strcmp(scene.tokens[i].name, name) == 0)
            cancel = scene.tokens[i].cancel;
    if (cancel == NULL) {
        if (scene.token_count == 8 || ncp_cancel_new(&cancel) != NCP_OK)
            fail("no token for %s", name);
        struct token *token = &scene.tokens[scene.token_count++];
        snprintf(token->name, sizeof token->name, "%s", name);
        token->cancel = cancel;
    }
    pthread_mutex_unlock(&scene.lock);
    return cancel;
}
