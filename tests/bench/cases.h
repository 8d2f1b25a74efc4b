/*
 * The cases. Each runs one sample of a subject and adds what it measured.
 */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include "subject.h"

typedef void (*case_fn)(const struct subject *subject,
                        const struct options *options, struct sample *sample);

void case_uncontended(const struct subject *subject,
                      const struct options *options, struct sample *sample);
void case_parallel(const struct subject *subject, const struct options *options,
                   struct sample *sample);
void case_contended(const struct subject *subject,
                    const struct options *options, struct sample *sample);
void case_duel(const struct subject *subject, const struct options *options,
               struct sample *sample);
void case_waiters(const struct subject *subject, const struct options *options,
                  struct sample *sample);
void case_spike(const struct subject *subject, const struct options *options,
                struct sample *sample);
void case_memory(const struct subject *subject, const struct options *options,
                 struct sample *sample);
void case_close(const struct subject *subject, const struct options *options,
                struct sample *sample);

#endif
