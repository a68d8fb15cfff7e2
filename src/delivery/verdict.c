/* Verdicts: what an answer means for the destination, once per request, and for each of its events.
 *
 * An event is dead only when it failed alone, or when the answer was about it alone. A request of several that fails as
 * a whole comes again in loads of half its size, so that one bad event takes no other with it: see
 * docs/decisions/0009-delivery-loads.md. */
#include "base/clock.h"
#include "delivery/delivery_internal.h"
#include "delivery/redact.h"

enum { SPLIT_AFTER = 3 /* attempts that ended in an error of the server's: one of the events may be the cause */ };

struct reading {
    struct attempt *attempt;
    const struct http_result *result;
    enum answer by_status;
    enum reason reason; /* by status */
    bool apart;         /* the kind's verdicts differ: each is about its event */
    bool throttled;
    int64_t now_ms;
    uint64_t random; /* one for all events: what failed together comes again together */
};

static struct slice cut(struct slice s, size_t max) {
    return s.len > max ? slice_of(s.ptr, max) : s;
}

/* ---- of the destination ---- */

static void hold_if_asked(const struct reading *r, struct sender *sender) {
    int64_t asked_ms = r->result->err == OK ? r->result->retry_after_ms : -1;
    int64_t longest_ms = sender->delivery->conf.retry_after_max;
    asked_ms = asked_ms > longest_ms ? longest_ms : asked_ms;
    if (r->throttled && asked_ms > 0 && r->now_ms + asked_ms > sender->hold_until_ms) {
        sender->hold_until_ms = r->now_ms + asked_ms;
    }
}

static void tell_sender(const struct reading *r, enum answer whole) {
    const struct load *load = r->attempt->load;
    struct sender *sender = load->sender;
    hold_if_asked(r, sender);
    if (whole == ANSWER_DENIED) {
        sender_pause(sender, REASON_EGRESS_DENIED);
        return;
    }
    if (r->attempt->request->own_url) {
        return; /* the event chose the URL */
    }
    switch (whole) {
    case ANSWER_RETRY:
    case ANSWER_THROTTLED:
        if (sender->paused == REASON_EGRESS_DENIED) {
            sender_resume(sender, load->probe); /* we were let out; what comes now is the circuit's business */
        }
        sender_failed(sender, load->items[r->attempt->items[0]].item->offset, load->probe, r->reason);
        break;
    case ANSWER_AUTH:
        sender_answered(sender);
        if (auth_answered(&sender->auth, true) || sender->paused != REASON_NONE) {
            sender_pause(sender, REASON_AUTH);
        }
        break;
    default:
        sender_answered(sender);
        (void)auth_answered(&sender->auth, false); /* not refused: nothing to decide */
        sender_resume(sender, load->probe);
        break;
    }
}

/* ---- of an event ---- */

static void keep_exchange(const struct reading *r, struct item_verdict *verdict) {
    struct load *load = r->attempt->load;
    const struct http_result *result = r->result;
    const struct delivery_kind *kind = load->settings->kind;
    size_t count = 0;
    const struct slice *secrets =
        kind->secrets != NULL ? kind->secrets(load->settings->kind_settings, &load->arena, &count) : NULL;
    verdict->request = redact_request(&r->attempt->call, secrets, count, &load->arena);
    if (result->err == OK) {
        verdict->response = arena_printf(&load->arena, "HTTP %d %s\ncontent-type: %.*s\n\n%.*s", result->status,
            http_status_text(result->status), SLICE_ARG(result->content_type), SLICE_ARG(result->body));
    }
}

/* How long it waits: as many attempts, so long a pause. */
static int64_t pause_of(const struct reading *r, const struct item *item) {
    const struct delivery_conf *conf = &r->attempt->load->sender->delivery->conf;
    int64_t pause_ms = retry_pause(conf->retry_min, conf->retry_max, item->attempts + 1U, r->random);
    int64_t asked_ms = r->result->err == OK ? r->result->retry_after_ms : -1;
    asked_ms = asked_ms > conf->retry_after_max ? conf->retry_after_max : asked_ms;
    return asked_ms > pause_ms ? asked_ms : pause_ms;
}

static bool is_exhausted(const struct load *load, const struct item *item, int64_t now_ms) {
    const struct sender *sender = load->sender;
    int64_t first_ms = item->attempts > 0 ? item->first_ms : load->started_ms;
    int64_t from_ms = first_ms > sender->window_floor_ms ? first_ms : sender->window_floor_ms;
    return !sender_is_away(sender) &&
        retry_exhausted(
            from_ms, now_ms, load->settings->window_ms, item->attempts + 1U, sender->delivery->conf.min_attempts);
}

/* The next time with half of those at most that it was sent with now. */
static void split(const struct reading *r, struct item *item, uint32_t max) {
    uint32_t half = r->attempt->item_count / 2;
    max = max < half ? max : half;
    item->load_max = (uint16_t)(max > 1 ? max : 1);
    stat_add(&r->attempt->load->sender->stat.split, 1);
}

static void decide_retry(const struct reading *r, struct item *item, struct item_verdict *verdict) {
    struct load *load = r->attempt->load;
    bool alone = r->attempt->item_count == 1;
    bool at_fault = !r->throttled && (r->result->err == OK || r->result->err == ERR_TIMEOUT);
    verdict->fate = FATE_RETRY;
    verdict->due_ms = r->now_ms + pause_of(r, item);
    if (is_exhausted(load, item, r->now_ms)) {
        if (alone) {
            verdict->fate = FATE_DEAD;
            verdict->reason = REASON_RETRY_WINDOW;
        } else {
            split(r, item, 1);
        }
    } else if (!alone && at_fault && item->attempts + 1 >= SPLIT_AFTER) {
        split(r, item, UINT16_MAX);
    }
}

/* Few among many: of this event, but only after some attempts, for credentials that are withdrawn look just so at
 * first. */
static void decide_refused(const struct reading *r, struct item *item, struct item_verdict *verdict) {
    const struct sender *sender = r->attempt->load->sender;
    verdict->reason = REASON_AUTH;
    verdict->fate = FATE_RETRY;
    verdict->due_ms = r->now_ms + pause_of(r, item);
    if (sender->paused != REASON_NONE || item->attempts + 1U < sender->delivery->conf.min_attempts) {
        return;
    }
    if (r->attempt->item_count == 1 || r->apart) {
        verdict->fate = FATE_DEAD;
    } else {
        split(r, item, UINT16_MAX);
    }
}

static void decide_dead(const struct reading *r, struct item *item, struct item_verdict *verdict) {
    if (r->attempt->item_count == 1 || r->apart) {
        verdict->fate = FATE_DEAD;
        return;
    }
    verdict->fate = FATE_RETRY;
    verdict->due_ms = r->now_ms;
    split(r, item, UINT16_MAX);
}

static void decide(const struct reading *r, enum answer answer, struct item *item, struct item_verdict *verdict) {
    switch (answer) {
    case ANSWER_DELIVERED:
        verdict->fate = FATE_DELIVERED;
        break;
    case ANSWER_FILTERED:
        verdict->fate = FATE_FILTERED;
        break;
    case ANSWER_RETRY:
    case ANSWER_THROTTLED:
        decide_retry(r, item, verdict);
        break;
    case ANSWER_AUTH:
        decide_refused(r, item, verdict);
        break;
    case ANSWER_DENIED:
        verdict->fate = FATE_RETRY;
        verdict->due_ms = r->now_ms + pause_of(r, item);
        break;
    case ANSWER_DEAD:
        decide_dead(r, item, verdict);
        break;
    }
}

static void judge_event(const struct reading *r, uint32_t at, enum answer answer, struct slice text) {
    static const enum reason reasons[] = {[ANSWER_DELIVERED] = REASON_NONE,
        [ANSWER_FILTERED] = REASON_DECLINED,
        [ANSWER_RETRY] = REASON_NONE,
        [ANSWER_THROTTLED] = REASON_NONE,
        [ANSWER_AUTH] = REASON_AUTH,
        [ANSWER_DENIED] = REASON_EGRESS_DENIED,
        [ANSWER_DEAD] = REASON_HTTP_STATUS};
    struct load *load = r->attempt->load;
    const struct http_result *result = r->result;
    struct item_verdict verdict = {.reason = answer == r->by_status ? r->reason : reasons[answer],
        .status = result->err == OK ? (uint16_t)result->status : 0};
    verdict.duration_us = result->total_us > UINT32_MAX ? UINT32_MAX : (uint32_t)result->total_us;
    decide(r, answer, load->items[at].item, &verdict);
    if (verdict.fate != FATE_DELIVERED) {
        verdict.sentence = text.len > 0 ? text : result->err != OK ? slice_cstr(result->text) : SLICE_NONE;
        verdict.text = verdict.sentence.len > 0 ? verdict.sentence : result->body;
        verdict.text = arena_dup(&load->arena, cut(verdict.text, NOTE_TEXT_BYTES)); /* other requests may come first */
        verdict.sentence = arena_dup(&load->arena, verdict.sentence);
    }
    if (verdict.fate == FATE_DEAD) {
        keep_exchange(r, &verdict);
    }
    load_worsen(load, at, &verdict);
}

/* ---- the whole ---- */

static enum answer answer_to(const struct reading *r, const struct kind_verdict *verdicts, uint32_t event) {
    enum answer answer = verdicts != NULL ? verdicts[event].answer : r->by_status;
    if (r->attempt->request->own_url && (answer == ANSWER_AUTH || answer == ANSWER_DENIED)) {
        return ANSWER_DEAD;
    }
    return answer;
}

/* What the answer is to the request: one that takes some of its events was answered, and one that refuses our
 * credentials for some refuses them. */
static enum answer answer_to_all(struct reading *r, const struct kind_verdict *verdicts) {
    enum answer whole = answer_to(r, verdicts, 0);
    bool refused = false;
    for (uint32_t i = 0; i < r->attempt->request->event_count; i++) {
        enum answer answer = answer_to(r, verdicts, i);
        r->apart = r->apart || answer != whole;
        r->throttled = r->throttled || answer == ANSWER_THROTTLED;
        refused = refused || answer == ANSWER_AUTH;
    }
    if (r->apart) {
        return refused ? ANSWER_AUTH : ANSWER_DELIVERED;
    }
    return whole;
}

void attempt_judge(struct attempt *attempt, const struct http_result *result, const struct kind_verdict *verdicts) {
    struct load *load = attempt->load;
    struct reading r = {.attempt = attempt, .result = result, .now_ms = clock_ms(), .random = random_u64()};
    r.by_status = retry_classify(result->err, result->status, &r.reason);
    if (r.by_status == ANSWER_AUTH && attempt->request->own_url) {
        r.reason = REASON_HTTP_STATUS;
    }
    tell_sender(&r, answer_to_all(&r, verdicts));
    for (uint32_t i = 0; i < attempt->request->event_count; i++) {
        uint32_t event = attempt->request->events[i];
        uint32_t at = load->item_of != NULL ? load->item_of[event] : event;
        judge_event(&r, at, answer_to(&r, verdicts, i), verdicts != NULL ? verdicts[i].text : SLICE_NONE);
    }
    attempt_end(attempt);
}

/* The vendor was asked while requests were made. */
static void tell_sender_of(struct sender *sender, enum kind_refusal_fate fate, int64_t due_ms) {
    if (fate == KIND_THROTTLED && due_ms > sender->hold_until_ms) {
        sender->hold_until_ms = due_ms;
    } else if (fate == KIND_AUTH && (auth_answered(&sender->auth, true) || sender->paused != REASON_NONE)) {
        sender_pause(sender, REASON_AUTH);
    }
}

struct item_verdict verdict_of_refusal(
    const struct load *load, const struct item *item, const struct kind_refusal *refusal) {
    static const struct {
        enum fate fate;
        enum reason reason;
    } rows[] = {[KIND_DEAD] = {FATE_DEAD, REASON_BAD_REQUEST},
        [KIND_FILTERED] = {FATE_FILTERED, REASON_RULE},
        [KIND_TYPE] = {FATE_FILTERED, REASON_RULE},
        [KIND_RETRY] = {FATE_RETRY, REASON_NONE},
        [KIND_THROTTLED] = {FATE_RETRY, REASON_NONE},
        [KIND_AUTH] = {FATE_RETRY, REASON_AUTH},
        [KIND_AGAIN] = {FATE_BACK, REASON_NONE}};
    const struct delivery_conf *conf = &load->sender->delivery->conf;
    int64_t now_ms = clock_ms();
    struct item_verdict verdict = {.fate = rows[refusal->fate].fate,
        .reason = rows[refusal->fate].reason,
        .text = refusal->text,
        .sentence = refusal->text};
    if (verdict.fate == FATE_BACK) {
        verdict.due_ms = now_ms + OUR_FAULT_PAUSE_MS;
    } else if (verdict.fate == FATE_RETRY) {
        verdict.due_ms = now_ms + retry_pause(conf->retry_min, conf->retry_max, item->attempts + 1U, random_u64());
        tell_sender_of(load->sender, refusal->fate, verdict.due_ms);
        if (is_exhausted(load, item, now_ms)) {
            verdict.fate = FATE_DEAD;
            verdict.reason = REASON_RETRY_WINDOW;
        }
    }
    return verdict;
}
