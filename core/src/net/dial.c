#include "net/dial.h"

#include <stdio.h>
#include <string.h>

/* " (address)", unless the target says the same already. */
static void tell_address(const struct ncp__failure *failure,
                         const struct ncp__target *target, char *out,
                         size_t size)
{
    char address[NCP__ADDRESS_TEXT];

    out[0] = '\0';
    if (failure->address.size == 0)
        return;
    ncp__address_text(&failure->address.at, address, sizeof address);
    if (address[0] != '\0' && strstr(target->text, address) == NULL)
        snprintf(out, size, " (%s)", address);
}

void ncp__failure_text(const struct ncp__failure *failure,
                       const struct ncp__target *target,
                       char text[NCP__FAILURE_TEXT])
{
    char where[NCP__ADDRESS_TEXT + 4];
    char buffer[64];
    const char *why = failure->reason;
    const char *cut = "";

    if (why == NULL)
        why = strerror_r(failure->code, buffer, sizeof buffer);
    tell_address(failure, target, where, sizeof where);

    int shown = (int)strlen(target->text);
    int room = NCP__FAILURE_TEXT - 1 - (int)strlen(failure->step) -
               (int)strlen(where) - (int)strlen(why) - 3;
    if (shown > room) {
        cut = "...";
        shown = room > 3 ? room - 3 : 0;
    }
    snprintf(text, NCP__FAILURE_TEXT, "%s %.*s%s%s: %s", failure->step, shown,
             target->text, cut, where, why);
}
