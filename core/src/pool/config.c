/*
 * Configurations: made, copied, set and read. validate.c judges them.
 */
#include "pool/options.h"

#include <stdio.h>
#include <string.h>

int ncp_config_new(int mode, ncp_config **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = NULL;
    if (mode != NCP_MODE_CLIENT && mode != NCP_MODE_SERVER)
        return NCP_EINVALIDCONFIG;
    ncp_config *config = ncp__alloc(sizeof *config);
    if (config == NULL)
        return NCP_ENOMEM;
    for (int option = 1; option < NCP__OPTION_END; option++) {
        if (ncp_option_type(option) != NCP_TYPE_TEXT)
            ncp_option_range(option, mode, &config->num[option], NULL, NULL);
    }
    *out = config;
    return NCP_OK;
}

void ncp_config_free(ncp_config *config)
{
    if (config == NULL)
        return;
    ncp__config_clear(config);
    ncp__free(config);
}

int ncp_config_copy(const ncp_config *config, ncp_config **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = NULL;
    if (config == NULL)
        return NCP_EINVAL;
    ncp_config *copy = ncp__alloc(sizeof *copy);
    if (copy == NULL)
        return NCP_ENOMEM;
    int status = ncp__config_copy_into(copy, config);
    if (status != NCP_OK) {
        ncp__free(copy);
        return status;
    }
    *out = copy;
    return NCP_OK;
}

/* Stores a text that was checked; "" unsets it. Room for the longest one is
 * taken at once, so that replacing a text that is set never fails: a caller
 * that sets several can undo what it did. */
static int config_store(struct ncp_config *config, int option, const char *text)
{
    if (*text == '\0') {
        ncp__free(config->text[option]);
        config->text[option] = NULL;
        return NCP_OK;
    }
    if (config->text[option] == NULL) {
        size_t room = (size_t)ncp__option_row(option)->max + 1;
        config->text[option] = ncp__alloc(room);
    }
    if (config->text[option] == NULL)
        return NCP_ENOMEM;
    memmove(config->text[option], text, strlen(text) + 1);
    return NCP_OK;
}

static int config_copy_texts(struct ncp_config *config,
                             const struct ncp_config *from)
{
    for (int option = 1; option < NCP__OPTION_END; option++) {
        const char *text = from->text[option];
        int status = config_store(config, option, text == NULL ? "" : text);
        if (status != NCP_OK)
            return status;
    }
    return NCP_OK;
}

int ncp__config_copy_into(struct ncp_config *config,
                          const struct ncp_config *from)
{
    *config = (struct ncp_config){0};
    int status = config_copy_texts(config, from);
    if (status != NCP_OK) {
        ncp__config_clear(config);
        return status;
    }
    memcpy(config->num, from->num, sizeof config->num);
    for (int i = 0; i < NCP__CALLBACK_END; i++)
        config->conn[i] = ncp__hook_ref(from->conn[i]);
    config->dialer = ncp__hook_ref(from->dialer);
    config->acceptor = ncp__hook_ref(from->acceptor);
    config->log = ncp__hook_ref(from->log);
    config->clock = ncp__hook_ref(from->clock);
    config->queue = ncp__queue_ref(from->queue);
    return NCP_OK;
}

void ncp__config_clear(struct ncp_config *config)
{
    /* Emptied first: a drop may look at it. */
    struct ncp_config old = *config;

    *config = (struct ncp_config){0};
    for (int i = 0; i < NCP__CALLBACK_END; i++)
        ncp__hook_unref(old.conn[i]);
    ncp__hook_unref(old.dialer);
    ncp__hook_unref(old.acceptor);
    ncp__hook_unref(old.log);
    ncp__hook_unref(old.clock);
    ncp__queue_unref(old.queue);
    for (int option = 1; option < NCP__OPTION_END; option++)
        ncp__free(old.text[option]);
}

const char *ncp_config_reason(const ncp_config *config)
{
    return config == NULL ? "" : config->reason;
}

/* ------------------------------------------------------------------ numbers */

int ncp_config_set_int(ncp_config *config, int option, int64_t value)
{
    if (config == NULL)
        return NCP_EINVAL;
    const struct ncp__option_row *row = ncp__option_row(option);
    if (row == NULL) {
        ncp__refuse(config->reason,
                    "%d is no option: use a value of enum ncp_option", option);
        return NCP_ENOTFOUND;
    }
    if (row->type == NCP_TYPE_TEXT)
        return ncp__refuse(config->reason,
                           "%s is a text: set it with ncp_config_set()",
                           row->name);
    config->num[option] = value;
    config->reason[0] = '\0';
    return NCP_OK;
}

int ncp_config_get_int(const ncp_config *config, int option, int64_t *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (config == NULL)
        return NCP_EINVAL;
    const struct ncp__option_row *row = ncp__option_row(option);
    if (row == NULL)
        return NCP_ENOTFOUND;
    if (row->type == NCP_TYPE_TEXT)
        return NCP_EINVALIDCONFIG;
    *out = config->num[option];
    return NCP_OK;
}

/* -------------------------------------------------------------------- texts */

static int config_refuse_name(ncp_config *config, const char *name)
{
    char quote[NCP__QUOTE_SIZE];
    int nearest = ncp__option_nearest(name);

    ncp__quote(quote, name);
    if (nearest != 0)
        ncp__refuse(config->reason, "\"%s\" is no option: did you mean %s?",
                    quote, ncp_option_name(nearest));
    else
        ncp__refuse(config->reason,
                    "\"%s\" is no option: ncp_option_at() lists them", quote);
    return NCP_ENOTFOUND;
}

static bool config_has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < ' ' || c == 0x7f)
            return true;
    }
    return false;
}

static int config_set_text(ncp_config *config, int option, const char *text)
{
    const struct ncp__option_row *row = ncp__option_row(option);
    char quote[NCP__QUOTE_SIZE];

    if (strlen(text) > (size_t)row->max)
        return ncp__refuse(config->reason,
                           "%s is %zu bytes long: use at most %lld", row->name,
                           strlen(text), (long long)row->max);
    if (config_has_control(text))
        return ncp__refuse(config->reason,
                           "%s is \"%s\": remove the control characters",
                           row->name, ncp__quote(quote, text));
    int status = config_store(config, option, text);
    if (status != NCP_OK)
        ncp__refuse(config->reason, "%s is not set: out of memory", row->name);
    return status;
}

int ncp_config_set(ncp_config *config, const char *name, const char *text)
{
    int option;
    int status;

    if (config == NULL)
        return NCP_EINVAL;
    if (name == NULL || text == NULL) {
        ncp__refuse(config->reason, "the %s is NULL: give one",
                    name == NULL ? "name of an option" : "text of a value");
        return NCP_EINVAL;
    }
    if (ncp_option_find(name, &option) != NCP_OK)
        return config_refuse_name(config, name);
    if (ncp_option_type(option) == NCP_TYPE_TEXT)
        status = config_set_text(config, option, text);
    else
        status = ncp__option_read(option, text, &config->num[option],
                                  config->reason);
    if (status == NCP_OK)
        config->reason[0] = '\0';
    return status;
}

int ncp_config_get(const ncp_config *config, const char *name, char *buffer,
                   size_t size)
{
    int option;

    if (buffer == NULL && size > 0)
        return NCP_EINVAL;
    if (size > 0)
        buffer[0] = '\0';
    if (config == NULL || name == NULL)
        return NCP_EINVAL;
    if (ncp_option_find(name, &option) != NCP_OK)
        return NCP_ENOTFOUND;
    if (ncp_option_type(option) != NCP_TYPE_TEXT)
        return ncp__option_write(option, config->num[option], buffer, size);
    const char *text = config->text[option];
    return snprintf(buffer, size, "%s", text == NULL ? "" : text);
}
