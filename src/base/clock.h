/* Time. All stored and scheduled times are int64_t milliseconds since the Unix epoch, from clock_ms(), so that a test
 * can own them. Durations of work (latency, CPU) come from clock_mono_ns(), which no test moves. Thread-safe. */
#ifndef SLUICE_BASE_CLOCK_H
#define SLUICE_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define CLOCK_RFC3339_SIZE 25 /* "2026-08-07T00:00:00.000Z" + NUL */

int64_t clock_ms(void);
uint64_t clock_mono_ns(void);
/* From now on clock_ms() stands still and moves only by clock_test_advance (the server's --test-clock). */
void clock_test_start(int64_t at_ms);
bool clock_test_active(void);
void clock_test_advance(int64_t by_ms);
/* UTC, milliseconds, trailing Z; as the gateway writes receivedAt. */
void clock_format(int64_t ms, char out[CLOCK_RFC3339_SIZE]);
/* RFC 3339 and ISO 8601 as SDKs send them (fraction of any length, Z or offset, 'T' or space). */
MUST enum err clock_parse(struct slice text, int64_t *ret_ms);

#endif
