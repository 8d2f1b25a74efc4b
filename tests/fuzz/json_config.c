/*
 * Any bytes as the JSON of a configuration: refused with a reason and without
 * effect, or accepted and then written and read back.
 */
#include "expect.h"
#include "fuzz.h"
#include "netconnpool_json.h"

#include <stdlib.h>
#include <string.h>

static void check_reason(int status, const char *reason, size_t size)
{
    REQUIRE(status == NCP_OK || status == NCP_EINVALIDCONFIG);
    REQUIRE(memchr(reason, 0, size) != NULL);
    REQUIRE_EQ(reason[0] != 0, status != NCP_OK);
}

static void require_equal(const ncp_config *one, const ncp_config *other)
{
    int option = 0;

    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        const char *name = ncp_option_name(option);
        char first[8192], second[8192];
        int length = ncp_config_get(one, name, first, sizeof(first));
        REQUIRE(length >= 0);
        REQUIRE_EQ(ncp_config_get(other, name, second, sizeof(second)), length);
        REQUIRE(strcmp(first, second) == 0);
    }
}

static void check_round_trip(const ncp_config *config)
{
    ncp_config *again = NULL;
    char reason[256];
    int length = ncp_json_write(config, NULL, 0);

    REQUIRE(length > 0);
    char *text = malloc((size_t)length + 1);
    REQUIRE(text != NULL);
    REQUIRE_EQ(ncp_json_write(config, text, (size_t)length + 1), length);
    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &again), NCP_OK);
    REQUIRE_EQ(
        ncp_json_read(again, text, (size_t)length, reason, sizeof(reason)),
        NCP_OK);
    require_equal(config, again);
    ncp_config_free(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ncp_config *config = NULL, *untouched = NULL;
    char reason[256];
    /* Exactly as long as it is, so that every step beyond it is seen. */
    char *text = malloc(size ? size : 1);

    REQUIRE(text != NULL);
    memcpy(text, data, size);
    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &untouched), NCP_OK);
    memset(reason, 'x', sizeof(reason));
    int status = ncp_json_read(config, text, size, reason, sizeof(reason));
    check_reason(status, reason, sizeof(reason));
    if (status == NCP_OK)
        check_round_trip(config);
    else
        require_equal(config, untouched);
    REQUIRE_EQ(ncp_json_read(untouched, text, size, NULL, 0), status);
    ncp_config_free(config);
    ncp_config_free(untouched);
    free(text);
    return 0;
}
