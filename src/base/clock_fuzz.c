/* clock_parse on any bytes: what it accepts survives being written and read again. */
#include "base/clock.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t ms, again;
    if (clock_parse(slice_of((const char *)data, size), &ms) != OK) {
        return 0;
    }
    char text[CLOCK_RFC3339_SIZE];
    clock_format(ms, text);
    enum err e = clock_parse(slice_cstr(text), &again);
    ASSERT(e == OK);
    /* an offset may carry a time of year 0 or 9999 out of the years that can be written */
    ASSERT(again == ms || ms < -INT64_C(62167219200000) || ms > INT64_C(253402300799999));
    return 0;
}
