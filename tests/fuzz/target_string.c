/*
 * Texts: target strings, names and texts of options, what the parsers read.
 * The first byte chooses; a zero byte parts name and text.
 */
#include "expect.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_target(const char *text)
{
    char reason[64];
    char small[3];

    memset(reason, 'x', sizeof(reason));
    int status = ncp_target_check(text, reason, sizeof(reason));
    REQUIRE(status == NCP_OK || status == NCP_EINVALIDCONFIG);
    REQUIRE(memchr(reason, 0, sizeof(reason)) != NULL);
    if (status != NCP_OK)
        REQUIRE(reason[0] != 0);
    /* The verdict does not depend on the room for the reason. */
    REQUIRE_EQ(ncp_target_check(text, small, sizeof(small)), status);
    REQUIRE_EQ(ncp_target_check(text, NULL, 0), status);
}

/* What was accepted reads back as a text that means the same. */
static void check_round_trip(ncp_config *config, const char *name)
{
    char text[4096], again[4096];
    int option = 0;
    int64_t before = 0, after = 0;

    int length = ncp_config_get(config, name, text, sizeof(text));
    if (length >= (int)sizeof(text))
        return;
    REQUIRE(length >= 0);
    REQUIRE_EQ((size_t)length, strlen(text));
    REQUIRE_EQ(ncp_option_find(name, &option), NCP_OK);
    bool number = ncp_option_type(option) != NCP_TYPE_TEXT;
    if (number)
        REQUIRE_EQ(ncp_config_get_int(config, option, &before), NCP_OK);
    REQUIRE_EQ(ncp_config_set(config, name, text), NCP_OK);
    if (number)
        REQUIRE_EQ(ncp_config_get_int(config, option, &after), NCP_OK);
    REQUIRE_EQ(before, after);
    REQUIRE_EQ(ncp_config_get(config, name, again, sizeof(again)), length);
    REQUIRE(strcmp(text, again) == 0);
}

static void set_option(const char *name, const char *text)
{
    ncp_config *config = NULL;

    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    int status = ncp_config_set(config, name, text);
    REQUIRE(status == NCP_OK || status == NCP_ENOTFOUND ||
            status == NCP_EINVALIDCONFIG);
    if (status == NCP_OK)
        check_round_trip(config, name);
    else
        REQUIRE(ncp_config_reason(config)[0] != 0);
    ncp_config_validate(config);
    REQUIRE(ncp_config_reason(config) != NULL);
    ncp_config_free(config);
}

/* The text for every option there is. */
static void set_every_option(const char *text)
{
    int option = 0;

    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++)
        set_option(ncp_option_name(option), text);
}

static void parse(const char *text)
{
    int option = 0;

    REQUIRE(strcmp(ncp_mode_text(ncp_mode_parse(text)), "unknown") != 0);
    REQUIRE(ncp_protocol_parse(text) >= 0 && ncp_protocol_parse(text) <= 2);
    REQUIRE(ncp_ip_parse(text) >= 0 && ncp_ip_parse(text) <= 2);
    if (ncp_option_find(text, &option) == NCP_OK)
        REQUIRE(strcmp(ncp_option_name(option), text) == 0);
    else
        REQUIRE_EQ(option, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* Exactly as long as it is, so that every step beyond it is seen. */
    char *text = malloc(size);
    REQUIRE(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    size_t length = strlen(text);

    switch (data[0] % 4) {
    case 0:
        check_target(text);
        break;
    case 1:
        set_option(text, length + 1 < size ? text + length + 1 : "");
        break;
    case 2:
        set_every_option(text);
        break;
    default:
        parse(text);
        break;
    }
    free(text);
    return 0;
}
