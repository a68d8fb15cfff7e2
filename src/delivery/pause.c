/* What answers say of the destination: pauses, the circuit, and coming back. */
#include "base/clock.h"
#include "base/log.h"
#include "delivery/delivery_internal.h"

/* Pauses of our own making: neither time nor an answer to what was under way ends them, only new settings and a probe
 * with them. */
static bool is_own_pause(enum reason reason) {
    return reason == REASON_TRANSFORMATION_STOPPED || reason == REASON_TRANSFORMATION_MISSING;
}

void sender_pause(struct sender *sender, enum reason reason) {
    if (is_own_pause(sender->paused) && !is_own_pause(reason)) {
        return;
    }
    sender->pause_probe_due_ms = is_own_pause(reason) ? INT64_MAX : clock_ms() + sender->delivery->conf.auth_probe;
    if (sender->paused == reason) {
        return;
    }
    sender->paused = reason;
    sender->save_now = true;
    stat_set(&sender->stat.paused, 1);
    LOG(WARN, "delivery", "destination paused, its events wait", "destination=%s reason=%s", sender->id,
        reason_text(reason));
    rows_post_pause(sender, "paused", reason);
}

static void destination_is_back(struct sender *sender, const char *what) {
    sender->window_floor_ms = clock_ms();
    sender->breaker.ramp = 1;
    auth_reset(&sender->auth);
    LOG(INFO, "delivery", what, "destination=%s open=%zu", sender->id, sender->lanes.count);
    rows_post_pause(sender, "running", REASON_NONE);
}

void sender_resume(struct sender *sender, bool probe) {
    if (sender->paused == REASON_NONE || (is_own_pause(sender->paused) && !probe)) {
        return;
    }
    sender->paused = REASON_NONE;
    sender->save_now = true;
    stat_set(&sender->stat.paused, 0);
    destination_is_back(sender, "destination runs again");
}

void sender_failed(struct sender *sender, uint64_t event, bool probe, enum reason reason) {
    const struct delivery_conf *conf = &sender->delivery->conf;
    struct breaker_conf breaker = {.failures = conf->breaker_failures,
        .time_ms = conf->breaker_time,
        .probe_min_ms = conf->probe_min,
        .probe_max_ms = conf->probe_max};
    if (breaker_failure(&sender->breaker, &breaker, clock_ms(), event, probe, random_u64())) {
        stat_set(&sender->stat.circuit_open, 1);
        stat_add(&sender->stat.circuit_opened, 1);
        LOG(WARN, "delivery", "circuit opened, events wait in the log", "destination=%s failures=%lu", sender->id,
            sender->breaker.failures);
        rows_post_pause(sender, "paused", reason);
    }
    if (sender->paused != REASON_NONE && probe) {
        sender->pause_probe_due_ms = clock_ms() + conf->auth_probe;
    }
}

void sender_answered(struct sender *sender) {
    if (breaker_success(&sender->breaker)) {
        stat_set(&sender->stat.circuit_open, 0);
        destination_is_back(sender, "circuit closed");
    }
}
