/* One attempt: the request out, and what its answer means for the event and for the destination. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "delivery/delivery_internal.h"
#include "delivery/redact.h"
#include "delivery/retry.h"

enum {
    ARENA_CHUNK = 2048,
    OUR_FAULT_PAUSE_MS = 1000 /* memory or the log failed us, not the destination */
};

/* ---- attempts in flight ---- */

static struct attempt *attempt_new(struct courier *courier, struct sender *sender, struct item *item) {
    struct attempt *attempt = courier->free_attempts;
    if (attempt != NULL) {
        courier->free_attempts = attempt->next;
        arena_reset(&attempt->arena);
    } else {
        attempt = mem_alloc(sizeof *attempt);
        arena_init(&attempt->arena, ARENA_CHUNK, 0);
    }
    attempt->call = (struct http_call){0};
    attempt->sender = sender;
    attempt->item = item;
    attempt->settings = sender_settings_hold(sender->settings);
    return attempt;
}

static void attempt_free(struct courier *courier, struct attempt *attempt) {
    sender_settings_release(attempt->settings);
    attempt->settings = NULL;
    attempt->next = courier->free_attempts;
    courier->free_attempts = attempt;
}

static void take_off(struct courier *courier, struct attempt *attempt) {
    attempt->before = NULL;
    attempt->next = courier->flying;
    if (courier->flying != NULL) {
        courier->flying->before = attempt;
    }
    courier->flying = attempt;
    courier->inflight++;
    attempt->sender->inflight++;
    stat_set(&attempt->sender->stat.inflight, attempt->sender->inflight);
}

static void land(struct courier *courier, struct attempt *attempt) {
    if (attempt->before != NULL) {
        attempt->before->next = attempt->next;
    } else {
        courier->flying = attempt->next;
    }
    if (attempt->next != NULL) {
        attempt->next->before = attempt->before;
    }
    courier->inflight--;
    attempt->sender->inflight--;
    stat_set(&attempt->sender->stat.inflight, attempt->sender->inflight);
    courier_landed(courier);
}

void courier_cancel(struct courier *courier, const struct sender *sender) {
    struct attempt *next;
    for (struct attempt *attempt = courier->flying; attempt != NULL; attempt = next) {
        next = attempt->next;
        if (sender == NULL || attempt->sender == sender) {
            http_client_cancel(courier->client, &attempt->call);
            land(courier, attempt);
            attempt_free(courier, attempt);
        }
    }
}

void courier_free_attempts(struct courier *courier) {
    while (courier->free_attempts != NULL) {
        struct attempt *attempt = courier->free_attempts;
        courier->free_attempts = attempt->next;
        arena_fini(&attempt->arena);
        mem_free(attempt);
    }
}

/* ---- pauses ---- */

static void pause_sender(struct sender *sender, enum reason reason) {
    int64_t now_ms = clock_ms();
    sender->pause_probe_due_ms = now_ms + sender->delivery->conf.auth_probe;
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

static void resume_sender(struct sender *sender) {
    sender->paused = REASON_NONE;
    sender->save_now = true;
    stat_set(&sender->stat.paused, 0);
    destination_is_back(sender, "destination runs again");
}

/* ---- what an answer says of the destination ---- */

static void destination_failed(struct sender *sender, const struct attempt *attempt, enum reason reason) {
    const struct delivery_conf *conf = &sender->delivery->conf;
    struct breaker_conf breaker = {.failures = conf->breaker_failures,
        .time_ms = conf->breaker_time,
        .probe_min_ms = conf->probe_min,
        .probe_max_ms = conf->probe_max};
    if (breaker_failure(&sender->breaker, &breaker, clock_ms(), attempt->item->offset, attempt->probe, random_u64())) {
        stat_set(&sender->stat.circuit_open, 1);
        stat_add(&sender->stat.circuit_opened, 1);
        LOG(WARN, "delivery", "circuit opened, events wait in the log", "destination=%s failures=%lu", sender->id,
            sender->breaker.failures);
        rows_post_pause(sender, "paused", reason);
    }
    if (sender->paused != REASON_NONE && attempt->probe) {
        sender->pause_probe_due_ms = clock_ms() + conf->auth_probe;
    }
}

static void destination_answered(struct sender *sender) {
    if (breaker_success(&sender->breaker)) {
        stat_set(&sender->stat.circuit_open, 0);
        destination_is_back(sender, "circuit closed");
    }
}

static void count_answer(struct sender *sender, const struct http_result *result) {
    struct delivery_stat *stat = &sender->stat;
    stat_value *counter = result->err != OK ? &stat->no_answer
        : result->status == 429             ? &stat->status_429
        : result->status >= 500             ? &stat->status_5xx
        : result->status >= 400             ? &stat->status_4xx
        : result->status >= 300             ? &stat->status_3xx
                                            : &stat->status_2xx;
    stat_add(counter, 1);
    stat_add(&stat->attempts, 1);
    stat_observe(&stat->attempt, result->total_us);
}

/* ---- what it says of the event ---- */

static struct slice cut(struct slice s, size_t max) {
    return s.len > max ? slice_of(s.ptr, max) : s;
}

static struct outcome *add_outcome(
    struct attempt *attempt, const struct http_result *result, enum note_kind kind, enum reason reason) {
    struct sender *sender = attempt->sender;
    struct courier *courier = sender->courier;
    attempt->item->reason = reason;
    struct outcome *outcome = courier_add_outcome(courier, sender, attempt->item, kind, reason);
    outcome->note.duration_us = result->total_us > UINT32_MAX ? UINT32_MAX : (uint32_t)result->total_us;
    if (result->err != OK) {
        outcome->note.text = arena_dup(&courier->outcome_arena, cut(slice_cstr(result->text), NOTE_TEXT_BYTES));
    } else if (kind != NOTE_DELIVERED) {
        outcome->note.text = arena_dup(&courier->outcome_arena, cut(result->body, NOTE_TEXT_BYTES));
    }
    return outcome;
}

static void make_dead(struct attempt *attempt, const struct http_result *result, enum reason reason) {
    struct arena *arena = &attempt->sender->courier->outcome_arena;
    struct outcome *outcome = add_outcome(attempt, result, NOTE_DEAD, reason);
    outcome->request = redact_request(&attempt->call, arena);
    if (result->err == OK) {
        struct slice head = arena_printf(arena, "HTTP %d %s\ncontent-type: %.*s\n\n", result->status,
            http_status_text(result->status), SLICE_ARG(result->content_type));
        char *text = arena_alloc(arena, head.len + result->body.len + 1);
        memcpy(text, head.ptr, head.len);
        if (result->body.len > 0) {
            memcpy(text + head.len, result->body.ptr, result->body.len);
        }
        outcome->response = slice_of(text, head.len + result->body.len);
    }
}

static void try_again(struct attempt *attempt, const struct http_result *result, enum reason reason) {
    struct sender *sender = attempt->sender;
    const struct delivery_conf *conf = &sender->delivery->conf;
    int64_t now_ms = clock_ms();
    int64_t pause_ms = retry_pause(conf->retry_min, conf->retry_max, attempt->item->attempts, random_u64());
    int64_t asked_ms = result->err == OK ? result->retry_after_ms : -1;
    if (asked_ms > conf->retry_after_max) {
        asked_ms = conf->retry_after_max;
    }
    if (asked_ms > 0 && result->status == 429 && now_ms + asked_ms > sender->hold_until_ms) {
        sender->hold_until_ms = now_ms + asked_ms;
    }
    struct outcome *outcome = add_outcome(attempt, result, NOTE_ATTEMPT, reason);
    outcome->note.due_ms = now_ms + (asked_ms > pause_ms ? asked_ms : pause_ms);
}

static void on_retryable(struct attempt *attempt, const struct http_result *result, enum reason reason) {
    struct sender *sender = attempt->sender;
    const struct item *item = attempt->item;
    if (sender->paused == REASON_EGRESS_DENIED && !attempt->own_url) {
        resume_sender(sender); /* we were let out; what comes now is the circuit's business */
    }
    if (!attempt->own_url) {
        destination_failed(sender, attempt, reason);
    }
    int64_t from_ms = item->first_ms > sender->window_floor_ms ? item->first_ms : sender->window_floor_ms;
    bool exhausted = retry_exhausted(
        from_ms, clock_ms(), attempt->settings->window_ms, item->attempts, sender->delivery->conf.min_attempts);
    if (exhausted && !sender_is_away(sender)) {
        make_dead(attempt, result, REASON_RETRY_WINDOW);
    } else {
        try_again(attempt, result, reason);
    }
}

/* Few among many: of this event, but only after some attempts, for credentials that are withdrawn look just so at
 * first. */
static void on_refused(struct attempt *attempt, const struct http_result *result) {
    struct sender *sender = attempt->sender;
    destination_answered(sender);
    if (auth_answered(&sender->auth, true) || sender->paused != REASON_NONE) {
        pause_sender(sender, REASON_AUTH);
    }
    if (sender->paused == REASON_NONE && attempt->item->attempts >= sender->delivery->conf.min_attempts) {
        make_dead(attempt, result, REASON_AUTH);
    } else {
        try_again(attempt, result, REASON_AUTH);
    }
}

static void on_answered(
    struct attempt *attempt, const struct http_result *result, enum answer answer, enum reason reason) {
    struct sender *sender = attempt->sender;
    if (!attempt->own_url) {
        destination_answered(sender);
        (void)auth_answered(&sender->auth, false); /* not refused: nothing to decide */
        if (sender->paused != REASON_NONE) {
            resume_sender(sender);
        }
    }
    if (answer == ANSWER_DEAD) {
        make_dead(attempt, result, reason);
    } else {
        (void)add_outcome(attempt, result, answer == ANSWER_DELIVERED ? NOTE_DELIVERED : NOTE_FILTERED, reason);
    }
}

/* The kind may know better what an answer means: an error inside a 200, a 400 that says "too many". */
static enum answer by_rules(
    struct attempt *attempt, const struct http_result *result, enum answer answer, enum reason *reason) {
    static const enum reason reasons[] = {[ANSWER_DELIVERED] = REASON_NONE,
        [ANSWER_FILTERED] = REASON_DECLINED,
        [ANSWER_RETRY] = REASON_NONE,
        [ANSWER_AUTH] = REASON_AUTH,
        [ANSWER_DENIED] = REASON_EGRESS_DENIED,
        [ANSWER_DEAD] = REASON_HTTP_STATUS};
    const struct delivery_kind *kind = attempt->settings->kind;
    if (kind->judge == NULL || result->err != OK) {
        return answer;
    }
    enum answer judged = kind->judge(
        attempt->settings->kind_settings, result, answer, attempt->sender->courier->parser, &attempt->arena);
    if (judged != answer) {
        *reason = reasons[judged];
    }
    return judged;
}

static void judge(struct attempt *attempt, const struct http_result *result) {
    enum reason reason;
    enum answer answer = retry_classify(result->err, result->status, &reason);
    answer = by_rules(attempt, result, answer, &reason);
    if (attempt->own_url && (answer == ANSWER_AUTH || answer == ANSWER_DENIED)) {
        answer = ANSWER_DEAD;
        reason = result->err == OK ? REASON_HTTP_STATUS : reason;
    }
    switch (answer) {
    case ANSWER_RETRY:
        on_retryable(attempt, result, reason);
        break;
    case ANSWER_AUTH:
        on_refused(attempt, result);
        break;
    case ANSWER_DENIED:
        pause_sender(attempt->sender, REASON_EGRESS_DENIED);
        try_again(attempt, result, reason);
        break;
    default:
        on_answered(attempt, result, answer, reason);
        break;
    }
}

static void on_done(struct http_call *call, const struct http_result *result) {
    struct attempt *attempt = CONTAINER_OF(call, struct attempt, call);
    struct sender *sender = attempt->sender;
    struct courier *courier = sender->courier;
    struct item *item = attempt->item;
    (void)FAULT(DELIVERY_AFTER_RESPONSE); /* kill only */
    land(courier, attempt);
    if (attempt->probe) {
        sender->probing = false;
    }
    count_answer(sender, result);
    if (item->attempts == 0) {
        item->first_ms = attempt->started_ms;
    }
    item->attempts += item->attempts < UINT16_MAX ? 1 : 0;
    item->status = result->err == OK ? (uint16_t)result->status : 0;
    judge(attempt, result);
    attempt_free(courier, attempt);
    courier_touch(courier, sender);
}

/* ---- sending ---- */

static void give_up(
    struct sender *sender, struct item *item, enum note_kind kind, enum reason reason, const char *text) {
    struct courier *courier = sender->courier;
    struct outcome *outcome = courier_add_outcome(courier, sender, item, kind, reason);
    outcome->note.text = arena_dup(&courier->outcome_arena, cut(slice_cstr(text), NOTE_TEXT_BYTES));
}

/* Fills the call. Errors: the event and the settings make no request. */
static enum err build(struct attempt *attempt, struct errinfo *why) {
    const struct sender_settings *settings = attempt->settings;
    const struct item *item = attempt->item;
    struct kind_request request;
    enum err e = settings->kind->build(settings->kind_settings, slice_of(item->payload, item->payload_len),
        attempt->sender->courier->parser, &attempt->arena, &request, why);
    if (e != OK) {
        return e;
    }
    attempt->own_url = request.own_url;
    attempt->call = (struct http_call){.method = request.method,
        .url = request.url,
        .headers = request.headers,
        .header_count = request.header_count,
        .body = request.body,
        .timeout_ms = settings->timeout_ms,
        .allow_private = settings->destination->rules.allow_private,
        .on_done = on_done};
    return OK;
}

/* OK, or why nothing went out. */
static enum err launch(struct sender *sender, struct item *item, bool probe, struct errinfo *why) {
    struct courier *courier = sender->courier;
    enum err e = sender_load_payload(sender, item);
    if (e != OK) {
        return e;
    }
    struct attempt *attempt = attempt_new(courier, sender, item);
    attempt->probe = probe;
    attempt->started_ms = clock_ms();
    e = build(attempt, why);
    if (e == OK) {
        (void)FAULT(DELIVERY_BEFORE_SEND); /* kill only */
        e = http_client_send(courier->client, &attempt->call, why);
    }
    if (e != OK) {
        attempt_free(courier, attempt);
        return e;
    }
    take_off(courier, attempt);
    if (probe) {
        sender->probing = true;
        stat_add(&sender->stat.probes, 1);
    }
    return OK;
}

void sender_send(struct sender *sender, struct item *item, bool probe) {
    struct errinfo why = {0};
    if (item->ending) {
        return; /* expired or filtered in this very turn: its note is about to be written, and frees it */
    }
    enum err e = launch(sender, item, probe, &why);
    if (e == OK) {
        return;
    }
    if (e == ERR_NOT_FOUND) {
        give_up(sender, item, NOTE_EXPIRED, REASON_RETENTION, "the log no longer has it");
    } else if (e == ERR_CORRUPT) {
        give_up(sender, item, NOTE_EXPIRED, REASON_CORRUPT, "");
    } else if (e == ERR_UNSUPPORTED) {
        give_up(sender, item, NOTE_FILTERED, REASON_RULE, why.text);
    } else if (err_class(e) == ERR_CLASS_RETRY) {
        lanes_wait(&sender->lanes, item, clock_ms() + OUR_FAULT_PAUSE_MS);
    } else {
        give_up(sender, item, NOTE_DEAD, REASON_BAD_REQUEST, why.text);
    }
}
