/*
 * Which configurations make a pool: corrections first, then the rules.
 */
#include "pool/options.h"
#include "pool/transport.h"

#include <string.h>

enum {
    LEAK_INTERVAL_MIN_MS = 1000,
    LEAK_INTERVAL_MAX_MS = 60000,
    CLEANUP_INTERVAL_MAX_MS = 30000
};

static int64_t config_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t config_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Half of an interval, at least 1 ms. */
static int64_t config_half(int64_t ms)
{
    return config_max(ms / 2, 1);
}

/* -------------------------------------------------------------- corrections */

static void correct_idle(int64_t *num)
{
    int64_t max = num[NCP_OPTION_MAX_CONNECTIONS];

    if (max > 0 && num[NCP_OPTION_MAX_IDLE_CONNECTIONS] > max)
        num[NCP_OPTION_MAX_IDLE_CONNECTIONS] = max;
}

static void correct_check_timeout(int64_t *num)
{
    const struct ncp__option_row *row =
        ncp__option_row(NCP_OPTION_HEALTH_CHECK_TIMEOUT);
    int64_t interval = num[NCP_OPTION_HEALTH_CHECK_INTERVAL];
    int64_t *timeout = &num[NCP_OPTION_HEALTH_CHECK_TIMEOUT];

    if (*timeout <= 0 && num[NCP_OPTION_HEALTH_CHECK] && interval > 0)
        *timeout = config_min(row->client, config_half(interval));
    if (*timeout <= 0 && num[NCP_OPTION_CHECK_ON_BORROW])
        *timeout = row->client;
    if (interval > 0 && *timeout > interval)
        *timeout = config_half(interval);
    *timeout = config_max(*timeout, 0);
}

static void correct_leak_interval(int64_t *num)
{
    int64_t timeout = num[NCP_OPTION_LEAK_TIMEOUT];
    int64_t *interval = &num[NCP_OPTION_LEAK_INTERVAL];

    *interval = config_max(*interval, 0);
    if (*interval > 0 || timeout <= 0)
        return;
    *interval = config_max(timeout / 2, LEAK_INTERVAL_MIN_MS);
    *interval = config_min(*interval, LEAK_INTERVAL_MAX_MS);
}

static void correct_cleanup_interval(int64_t *num)
{
    int64_t idle = num[NCP_OPTION_IDLE_TIMEOUT];
    int64_t lifetime = num[NCP_OPTION_MAX_LIFETIME];
    int64_t *interval = &num[NCP_OPTION_CLEANUP_INTERVAL];

    if (*interval > 0)
        return;
    *interval = CLEANUP_INTERVAL_MAX_MS;
    if (idle > 0)
        *interval = config_min(*interval, config_half(idle));
    if (lifetime > 0)
        *interval = config_min(*interval, config_half(lifetime));
}

/* What 0 or less stands for is the default. */
static void correct_udp(int64_t *num)
{
    static const int options[] = {NCP_OPTION_UDP_CLEAR_TIMEOUT,
                                  NCP_OPTION_MAX_BUFFER_CLEAR_PACKETS};

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (num[options[i]] <= 0)
            num[options[i]] = ncp__option_row(options[i])->client;
    }
}

static void correct_get_timeout(int64_t *num)
{
    num[NCP_OPTION_GET_TIMEOUT] = config_max(num[NCP_OPTION_GET_TIMEOUT], -1);
}

static void (*const config_corrections[])(int64_t *num) = {
    correct_idle,          correct_check_timeout,
    correct_leak_interval, correct_cleanup_interval,
    correct_udp,           correct_get_timeout,
};

/* -------------------------------------------------------------------- rules */

typedef int (*config_rule)(const struct ncp_config *config, const int64_t *num,
                           char *reason);

static int rule_ranges(const struct ncp_config *config, const int64_t *num,
                       char *reason)
{
    (void)config;
    for (int option = 1; option < NCP__OPTION_END; option++) {
        if (ncp_option_type(option) == NCP_TYPE_TEXT)
            continue;
        int status = ncp__option_check(option, num[option], reason);
        if (status != NCP_OK)
            return status;
    }
    return NCP_OK;
}

static int rule_min(const struct ncp_config *config, const int64_t *num,
                    char *reason)
{
    int64_t min = num[NCP_OPTION_MIN_CONNECTIONS];
    int64_t max = num[NCP_OPTION_MAX_CONNECTIONS];

    (void)config;
    if (max == 0 || min <= max)
        return NCP_OK;
    return ncp__refuse(reason,
                       "min_connections is %lld and max_connections %lld: "
                       "lower the first or raise the second",
                       (long long)min, (long long)max);
}

static int rule_expiry(const struct ncp_config *config, const int64_t *num,
                       char *reason)
{
    int64_t idle = num[NCP_OPTION_IDLE_TIMEOUT];
    int64_t lifetime = num[NCP_OPTION_MAX_LIFETIME];

    (void)config;
    if (idle == 0 || lifetime == 0 || idle <= lifetime)
        return NCP_OK;
    return ncp__refuse(reason,
                       "idle_timeout is %lld ms and max_lifetime %lld ms: "
                       "lower the first, raise the second, or set one to 0 "
                       "(never)",
                       (long long)idle, (long long)lifetime);
}

static int rule_check_interval(const struct ncp_config *config,
                               const int64_t *num, char *reason)
{
    (void)config;
    if (!num[NCP_OPTION_HEALTH_CHECK] || num[NCP_OPTION_HEALTH_CHECK_INTERVAL])
        return NCP_OK;
    return ncp__refuse(reason, "health_check_interval is 0: use a positive "
                               "number of milliseconds, or turn health_check "
                               "off");
}

static int rule_backoff(const struct ncp_config *config, const int64_t *num,
                        char *reason)
{
    int64_t first = num[NCP_OPTION_DIAL_BACKOFF];
    int64_t longest = num[NCP_OPTION_DIAL_BACKOFF_MAX];

    (void)config;
    if (first <= longest)
        return NCP_OK;
    return ncp__refuse(reason,
                       "dial_backoff is %lld ms and dial_backoff_max %lld ms: "
                       "lower the first or raise the second",
                       (long long)first, (long long)longest);
}

static int rule_target(const struct ncp_config *config, const int64_t *num,
                       char *reason)
{
    const char *target = config->text[NCP_OPTION_TARGET];
    char sentence[NCP__REASON_SIZE - sizeof "target: "] = "";

    (void)num;
    if (target == NULL)
        return NCP_OK;
    int status = ncp__net.target_check(target, sentence, sizeof sentence);
    if (status == NCP_OK)
        return NCP_OK;
    return ncp__refuse(reason, "target: %s", sentence);
}

static int rule_push_parts(const struct ncp_config *config, const int64_t *num,
                           char *reason)
{
    if (num[NCP_OPTION_DRIVER] != NCP_DRIVER_PUSH)
        return NCP_OK;
    if (num[NCP_OPTION_MODE] == NCP_MODE_SERVER) {
        if (num[NCP_OPTION_LISTENER_FD] >= 0)
            return NCP_OK;
        return ncp__refuse(reason, "listener_fd is -1: set it to a listening "
                                   "socket; a server pool needs one, with an "
                                   "acceptor too");
    }
    if (config->dialer != NULL || config->text[NCP_OPTION_TARGET] != NULL)
        return NCP_OK;
    return ncp__refuse(reason, "dialer and target are missing: set a dialer, "
                               "or a target for the built-in one");
}

/* A callback that a pull pool would never call; NULL when there is none. */
static const char *config_idle_callback(const struct ncp_config *config)
{
    static const char *const names[NCP__CALLBACK_END] = {
        [NCP_CALLBACK_CLOSER] = "closer",
        [NCP_CALLBACK_CHECKER] = "checker",
        [NCP_CALLBACK_ON_CREATED] = "on_created",
        [NCP_CALLBACK_ON_BORROW] = "on_borrow",
        [NCP_CALLBACK_ON_RETURN] = "on_return",
        [NCP_CALLBACK_ON_CLOSE] = "on_close",
    };

    if (config->dialer != NULL)
        return "dialer";
    if (config->acceptor != NULL)
        return "acceptor";
    for (int i = 0; i < NCP__CALLBACK_END; i++) {
        if (config->conn[i] != NULL && names[i] != NULL)
            return names[i];
    }
    return NULL;
}

static int rule_pull_parts(const struct ncp_config *config, const int64_t *num,
                           char *reason)
{
    if (num[NCP_OPTION_DRIVER] != NCP_DRIVER_PULL) {
        if (num[NCP_OPTION_HOST_EVENTS] == 0)
            return NCP_OK;
        return ncp__refuse(reason, "host_events is set and driver is push, "
                                   "which has no host: use callbacks, or the "
                                   "pull driver");
    }
    if (config->queue == NULL)
        return ncp__refuse(reason, "queue is missing: the pull driver needs "
                                   "one, see ncp_config_set_queue()");
    const char *name = config_idle_callback(config);
    if (name != NULL)
        return ncp__refuse(reason,
                           "%s is set and driver is pull, which hands this "
                           "work out as events: remove it, or use the push "
                           "driver",
                           name);
    if (num[NCP_OPTION_PREWARM_BLOCKING])
        return ncp__refuse(reason, "prewarm_blocking is on and driver is pull, "
                                   "which cannot dial while it waits: turn it "
                                   "off, or use the push driver");
    return NCP_OK;
}

/* Ranges first: the others rely on them. */
static const config_rule config_rules[] = {
    rule_ranges,  rule_min,    rule_expiry,     rule_check_interval,
    rule_backoff, rule_target, rule_push_parts, rule_pull_parts,
};

int ncp_config_validate(ncp_config *config)
{
    int64_t num[NCP__OPTION_END];

    if (config == NULL)
        return NCP_EINVALIDCONFIG;
    memcpy(num, config->num, sizeof num);
    for (size_t i = 0;
         i < sizeof config_corrections / sizeof config_corrections[0]; i++)
        config_corrections[i](num);
    for (size_t i = 0; i < sizeof config_rules / sizeof config_rules[0]; i++) {
        int status = config_rules[i](config, num, config->reason);
        if (status != NCP_OK)
            return status;
    }
    memcpy(config->num, num, sizeof num);
    config->reason[0] = '\0';
    return NCP_OK;
}
