/* Structured logs on stderr, one line per fact: time level tag message key=value… (or JSON lines, by knob log.format).
 * A stage logs once, where the decision is taken; libraries return errors instead. Ids only: no payloads, no secrets.
 * Thread-safe: one write(2) per line. Repeats of the same call site are limited to 10 a second and counted. */
#ifndef SLUICE_BASE_LOG_H
#define SLUICE_BASE_LOG_H

#include "base/attr.h"
#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_site {
    int64_t second;
    uint32_t count;
};

void log_setup(enum log_level level, bool as_json);
extern enum log_level log_threshold;
/* `format` is the message followed by key=value pairs already formatted: LOG(INFO, "store", "segment rolled",
 * "offset=%lu bytes=%lu", …) */
void log_line(struct log_site *site, enum log_level level, const char *tag, const char *message, const char *format,
    ...) PRINTF_LIKE(5, 6);

#define LOG(level, tag, message, ...) \
    do { \
        static struct log_site log_site_; \
        if (LOG_##level >= log_threshold) { \
            log_line(&log_site_, LOG_##level, tag, message, __VA_ARGS__); \
        } \
    } while (0)

#endif
