/* Attempts: the requests of loads. Each waits until the earlier ones of its lanes have ended, then in its sender's
 * queue until concurrency and rate let it out. When one of them fails, what follows it in its lanes is not sent.
 *
 *   blocked ─▶ queued ─▶ flying ─▶ judged ─▶ ended
 *      └───────────┴── dropped ────────────────┘ */
#include "base/clock.h"
#include "base/fault.h"
#include "delivery/delivery_internal.h"

/* ---- the queue ---- */

void attempt_queue(struct attempt *attempt) {
    struct sender *sender = attempt->load->sender;
    attempt->queue_next = NULL;
    if (sender->queue_last != NULL) {
        sender->queue_last->queue_next = attempt;
    } else {
        sender->queue_first = attempt;
    }
    sender->queue_last = attempt;
}

struct attempt *sender_next_attempt(struct sender *sender) {
    struct attempt *attempt = sender->queue_first;
    if (attempt != NULL) {
        sender->queue_first = attempt->queue_next;
        sender->queue_last = sender->queue_first != NULL ? sender->queue_last : NULL;
    }
    return attempt;
}

/* ---- ends ---- */

bool attempt_is_broken(const struct attempt *attempt) {
    const struct load *load = attempt->load;
    for (uint32_t i = 0; i < attempt->item_count; i++) {
        uint32_t from = load->items[load->items[attempt->items[i]].lane].broken_from;
        if (from != 0 && attempt->items[i] + 1 >= from) {
            return true;
        }
    }
    return false;
}

static void give_back(const struct attempt *attempt, int64_t due_ms) {
    struct item_verdict back = {.fate = FATE_BACK, .due_ms = due_ms};
    for (uint32_t i = 0; i < attempt->item_count; i++) {
        load_worsen(attempt->load, attempt->items[i], &back);
    }
}

/* What waited for it goes on, or joins `list`, when it is not to go on. */
static struct attempt *let_go_on(const struct attempt *attempt, struct attempt *list) {
    for (uint32_t i = 0; i < attempt->edge_count; i++) {
        struct attempt *next = attempt->edges[i].next;
        if (next == NULL || --next->blocked > 0) {
            continue;
        }
        if (attempt_is_broken(next)) {
            give_back(next, 0);
            next->queue_next = list;
            list = next;
        } else {
            attempt_queue(next);
        }
    }
    return list;
}

void attempt_end(struct attempt *attempt) {
    struct load *load = attempt->load;
    struct attempt *list = attempt;
    attempt->queue_next = NULL;
    while (list != NULL) {
        struct attempt *ended = list;
        list = let_go_on(ended, ended->queue_next);
        load->open--;
        for (uint32_t i = 0; i < ended->item_count; i++) {
            if (--load->items[ended->items[i]].pending == 0) {
                load_end_item(load, ended->items[i]);
            }
        }
    }
    if (load->open == 0 && load->outside == 0) {
        load_end(load);
    }
}

void attempt_drop(struct attempt *attempt) {
    give_back(attempt, 0);
    attempt_end(attempt);
}

/* ---- flight ---- */

static void take_off(struct attempt *attempt) {
    struct sender *sender = attempt->load->sender;
    attempt->flying = true;
    attempt->load->courier->busy++;
    sender->inflight++;
    stat_set(&sender->stat.inflight, sender->inflight);
}

void attempt_land(struct attempt *attempt) {
    struct sender *sender = attempt->load->sender;
    attempt->flying = false;
    attempt->load->courier->busy--;
    sender->inflight--;
    stat_set(&sender->stat.inflight, sender->inflight);
    courier_landed(attempt->load->courier);
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

/* ---- judging ---- */

struct judging {
    struct kind_judging call;
    struct attempt *attempt;
    struct http_result result; /* a copy, when the verdict comes later */
};

static void on_judged(struct kind_judging *call, enum err e, const struct errinfo *why) {
    struct judging *judging = CONTAINER_OF(call, struct judging, call);
    struct attempt *attempt = judging->attempt;
    struct load *load = attempt->load;
    struct sender *sender = load->sender;
    (void)why; /* what it may say is of a worker, and logged there */
    if (!load_is_back(load)) {
        return;
    }
    if (e == OK) {
        attempt_judge(attempt, call->result, call->verdicts);
    } else {
        give_back(attempt, clock_ms() + OUR_FAULT_PAUSE_MS);
        attempt_end(attempt);
    }
    courier_touch(sender->courier, sender);
}

static void copy_result(struct judging *judging, const struct http_result *result, struct arena *arena) {
    judging->result = *result;
    char *body = arena_alloc(arena, result->body.len + JSON_PADDING);
    if (result->body.len > 0) {
        memcpy(body, result->body.ptr, result->body.len);
    }
    judging->result.body = slice_of(body, result->body.len);
    judging->result.content_type = arena_dup(arena, result->content_type);
    judging->result.text = arena_dup(arena, slice_cstr(result->text)).ptr;
    struct http_header *headers = ARENA_ARRAY(arena, struct http_header, result->header_count + 1);
    for (size_t i = 0; i < result->header_count; i++) {
        headers[i].name = arena_dup(arena, result->headers[i].name);
        headers[i].value = arena_dup(arena, result->headers[i].value);
    }
    judging->result.headers = headers;
}

/* The kind may know better what an answer means: an error inside a 200, a 400 that says "too many". */
static void ask_kind(struct attempt *attempt, const struct http_result *result) {
    struct load *load = attempt->load;
    const struct sender_settings *settings = load->settings;
    struct judging *judging = ARENA_NEW(&load->arena, struct judging);
    judging->attempt = attempt;
    judging->call = (struct kind_judging){.settings = settings->kind_settings,
        .request = attempt->request,
        .result = result,
        .parser = load->courier->parser,
        .arena = &load->arena,
        .loop = load->courier->loop,
        .transform = load->courier->delivery->deps.transform,
        .on_done = on_judged};
    if (settings->is_late) {
        copy_result(judging, result, &load->arena);
        judging->call.result = &judging->result;
    }
    load_goes_out(load);
    settings->kind->judge(&judging->call);
}

static void on_answered(struct http_call *call, const struct http_result *result) {
    struct attempt *attempt = CONTAINER_OF(call, struct attempt, call);
    struct load *load = attempt->load;
    struct sender *sender = load->sender;
    (void)FAULT(DELIVERY_AFTER_RESPONSE); /* kill only */
    attempt_land(attempt);
    count_answer(sender, result);
    for (uint32_t i = 0; i < attempt->item_count; i++) {
        load->items[attempt->items[i]].tried = true;
    }
    if (load->settings->kind->judge != NULL && result->err == OK) {
        ask_kind(attempt, result);
    } else {
        attempt_judge(attempt, result, /* verdicts of the kind */ NULL);
        courier_touch(sender->courier, sender);
    }
}

/* ---- sending ---- */

static void end_unsent(struct attempt *attempt, enum err e, const struct errinfo *why) {
    struct item_verdict verdict = {.fate = FATE_BACK, .due_ms = clock_ms() + OUR_FAULT_PAUSE_MS};
    if (err_class(e) != ERR_CLASS_RETRY) {
        struct slice text = slice_cstr(why->text);
        verdict =
            (struct item_verdict){.fate = FATE_DEAD, .reason = REASON_BAD_REQUEST, .text = text, .sentence = text};
    }
    for (uint32_t i = 0; i < attempt->item_count; i++) {
        load_worsen(attempt->load, attempt->items[i], &verdict);
    }
    attempt_end(attempt);
}

void attempt_send(struct attempt *attempt) {
    struct load *load = attempt->load;
    struct errinfo why = {.at = 0};
    attempt->call.on_done = on_answered;
    attempt->call.want_headers = load->settings->is_late;
    (void)FAULT(DELIVERY_BEFORE_SEND); /* kill only */
    enum err e = http_client_send(load->courier->client, &attempt->call, &why);
    if (e != OK) {
        end_unsent(attempt, e, &why);
        return;
    }
    take_off(attempt);
    if (load->probe) {
        stat_add(&load->sender->stat.probes, 1);
    }
}
