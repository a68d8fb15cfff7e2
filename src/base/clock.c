/* The clock that tests can own, and RFC 3339 both ways. */
#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

#include "base/err.h"

enum {
    MS_PER_SECOND = 1000,
    SECONDS_PER_DAY = 86400,
    DAYS_PER_ERA = 146097, /* 400 years of the Gregorian calendar */
};
#define NS_PER_MS INT64_C(1000000)
#define MS_PER_DAY (INT64_C(1000) * SECONDS_PER_DAY)
#define YEAR_0_MS (INT64_C(-719528) * MS_PER_DAY)
#define YEAR_10000_MS (INT64_C(2932897) * MS_PER_DAY)

static atomic_bool test_active;
static _Atomic int64_t test_ms;

int64_t clock_ms(void) {
    if (UNLIKELY(atomic_load_explicit(&test_active, memory_order_acquire))) {
        return atomic_load_explicit(&test_ms, memory_order_acquire);
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * MS_PER_SECOND + now.tv_nsec / NS_PER_MS;
}

uint64_t clock_mono_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void clock_test_start(int64_t at_ms) {
    atomic_store_explicit(&test_ms, at_ms, memory_order_release);
    atomic_store_explicit(&test_active, true, memory_order_release);
}

bool clock_test_active(void) {
    return atomic_load_explicit(&test_active, memory_order_acquire);
}

void clock_test_advance(int64_t by_ms) {
    ASSERT(clock_test_active());
    ASSERT(by_ms >= 0);
    atomic_fetch_add_explicit(&test_ms, by_ms, memory_order_acq_rel);
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar; years 0 to 9999. The year is taken to begin in
 * March, so that the leap day is its last one. */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - 719468;
}

struct date {
    int64_t year, month, day;
};

static struct date date_from_days(int64_t days) {
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int64_t day_of_era = z - era * DAYS_PER_ERA;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t m = (5 * day_of_year + 2) / 153;
    struct date date = {.day = day_of_year - (153 * m + 2) / 5 + 1, .month = m < 10 ? m + 3 : m - 9};
    date.year = year_of_era + era * 400 + (date.month <= 2);
    return date;
}

static char *put_digits(char *at, int64_t value, int width) {
    for (int i = width - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + width;
}

void clock_format(int64_t ms, char out[CLOCK_RFC3339_SIZE]) {
    if (ms < YEAR_0_MS) {
        ms = YEAR_0_MS;
    }
    if (ms >= YEAR_10000_MS) {
        ms = YEAR_10000_MS - 1;
    }
    int64_t day = ms / MS_PER_DAY - (ms % MS_PER_DAY < 0);
    int64_t of_day = ms - day * MS_PER_DAY;
    struct date date = date_from_days(day);
    char *at = put_digits(out, date.year, 4);
    *at++ = '-';
    at = put_digits(at, date.month, 2);
    *at++ = '-';
    at = put_digits(at, date.day, 2);
    *at++ = 'T';
    at = put_digits(at, of_day / 3600000, 2);
    *at++ = ':';
    at = put_digits(at, of_day / 60000 % 60, 2);
    *at++ = ':';
    at = put_digits(at, of_day / 1000 % 60, 2);
    *at++ = '.';
    at = put_digits(at, of_day % 1000, 3);
    *at++ = 'Z';
    *at = '\0';
}

/* Cursor of the parser; `bad` sticks. */
struct scan {
    const char *at, *end;
    bool bad;
};

static bool scan_is(const struct scan *scan, char c) {
    return scan->at < scan->end && *scan->at == c;
}

static bool scan_digit(const struct scan *scan) {
    return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

static bool scan_skip(struct scan *scan, char c) {
    bool is = scan_is(scan, c);
    scan->at += is;
    return is;
}

static void scan_expect(struct scan *scan, char c) {
    scan->bad |= !scan_skip(scan, c);
}

static int64_t scan_number(struct scan *scan, int width, int64_t min, int64_t max) {
    int64_t value = 0;
    for (int i = 0; i < width; i++) {
        if (!scan_digit(scan)) {
            scan->bad = true;
            return min;
        }
        value = value * 10 + (*scan->at++ - '0');
    }
    scan->bad |= value < min || value > max;
    return value;
}

static int64_t scan_date(struct scan *scan) {
    static const unsigned char month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year = scan_number(scan, 4, 0, 9999);
    scan_expect(scan, '-');
    int64_t month = scan_number(scan, 2, 1, 12);
    scan_expect(scan, '-');
    int64_t day = scan_number(scan, 2, 1, 31);
    if (scan->bad) {
        return 0;
    }
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    scan->bad |= day > month_days[month - 1] + (leap && month == 2);
    return days_from_date(year, month, day);
}

/* Digits behind the point, cut to milliseconds. */
static int64_t scan_fraction(struct scan *scan) {
    if (!scan_skip(scan, '.') && !scan_skip(scan, ',')) {
        return 0;
    }
    scan->bad |= !scan_digit(scan);
    int64_t ms = 0;
    for (int64_t weight = 100; scan_digit(scan); weight /= 10) {
        ms += (*scan->at++ - '0') * weight;
    }
    return ms;
}

static int64_t scan_offset_ms(struct scan *scan) {
    if (scan_skip(scan, 'Z') || scan_skip(scan, 'z')) {
        return 0;
    }
    bool west = scan_is(scan, '-');
    if (!west && !scan_is(scan, '+')) {
        scan->bad = true;
        return 0;
    }
    scan->at++;
    int64_t minutes = scan_number(scan, 2, 0, 23) * 60;
    if (scan_skip(scan, ':') || scan_digit(scan)) {
        minutes += scan_number(scan, 2, 0, 59);
    }
    return (west ? -minutes : minutes) * 60 * MS_PER_SECOND;
}

enum err clock_parse(struct slice text, int64_t *ret_ms) {
    if (text.len == 0) {
        return ERR_INVALID;
    }
    struct scan scan = {.at = text.ptr, .end = text.ptr + text.len};
    int64_t ms = scan_date(&scan) * MS_PER_DAY;
    if (!scan_skip(&scan, 'T') && !scan_skip(&scan, 't')) {
        scan_expect(&scan, ' ');
    }
    ms += scan_number(&scan, 2, 0, 23) * 3600000;
    scan_expect(&scan, ':');
    ms += scan_number(&scan, 2, 0, 59) * 60000;
    if (scan_skip(&scan, ':')) {
        ms += scan_number(&scan, 2, 0, 60) * MS_PER_SECOND; /* 60: a leap second is the next minute's first */
        ms += scan_fraction(&scan);
    }
    ms -= scan_offset_ms(&scan);
    if (scan.bad || scan.at != scan.end) {
        return ERR_INVALID;
    }
    *ret_ms = ms;
    return OK;
}
