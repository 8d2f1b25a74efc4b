#include "subject.h"

const struct subject *const subjects[] = {
    &subject_lockfree,
    &subject_lock,
    &subject_sharded,
    &subject_tap,
    &subject_sharded_tap,
    &subject_adaptive,
    &subject_no_stats,
    &subject_separate,
    &subject_threads,
    &subject_sockets,
    &subject_sockets_by_hand,
    &subject_mutex,
    &subject_mutex_twice,
    &subject_clock,
    &subject_textbook,
    &subject_apr,
    &subject_glib,
    NULL,
};
