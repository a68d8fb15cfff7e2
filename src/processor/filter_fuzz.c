/* Any bytes as an event and as a destination's settings: a verdict comes out, with its reason. */
#include "processor/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte is the type; then event and settings, divided by the first NUL. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct slice names[] = {SLICE("Paid"), SLICE("identify"), SLICE("track")};
    if (size == 0) {
        return 0;
    }
    struct slice config;
    struct slice event = slice_cut(slice_of((const char *)data + 1, size - 1), '\0', &config);
    struct destination destination = {.display_name = SLICE("Webhook"),
        .config = config.ptr != NULL ? config : SLICE("{}"),
        .enabled = true,
        .supported = true,
        .filter = (enum event_filter)(data[0] >> 3 & 3) % 3,
        .filter_events = names,
        .filter_event_count = COUNT_OF(names),
        .message_types = data[0] & 32 ? names : NULL,
        .message_type_count = COUNT_OF(names)};
    struct connection connection = {.destination = &destination, .enabled = true, .cloud = true};
    struct record record = {.head = {.type = data[0] & 7}, .payload = event};
    struct filter *filter = filter_new();
    filter_begin(filter, &record);
    enum reason reason = REASON_COUNT;
    enum verdict verdict = filter_verdict(filter, &connection, &reason);
    ASSERT(reason < REASON_COUNT && (verdict == VERDICT_DELIVER) == (reason == REASON_NONE));
    filter_free(filter);
    return 0;
}
