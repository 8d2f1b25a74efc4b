/*
 * What every fuzz target is: one function, called with any bytes.
 */
#ifndef NCP_TEST_FUZZ_H
#define NCP_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
