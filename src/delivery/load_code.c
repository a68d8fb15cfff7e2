/* The user's transformation of a load's events, before the kind sees them: each becomes none, one or several. */
#include "base/clock.h"
#include "delivery/delivery_internal.h"
#include "delivery/user_code.h"

struct code_stage {
    struct user_code_run run;
    struct load *load;
};

bool load_wants_code(const struct load *load) {
    if (load->settings->user_code == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < load->count; i++) {
        if (user_code_wanted(load->settings, load->items[i].item->source)) {
            return true;
        }
    }
    return false;
}

static void take_result(struct load *load, uint32_t at, const struct user_code_result *result) {
    struct item_verdict verdict = {.text = result->text, .sentence = result->text};
    switch (result->fate) {
    case USER_CODE_OUTPUT:
        load->items[at].remark = result->text;
        return;
    case USER_CODE_DROPPED:
        verdict.fate = FATE_FILTERED;
        verdict.reason = REASON_TRANSFORMATION_DROPPED;
        break;
    case USER_CODE_DEAD:
        verdict.fate = FATE_DEAD;
        verdict.reason = REASON_TRANSFORMATION_FAILED;
        break;
    case USER_CODE_STOP:
        verdict.fate = FATE_BACK;
        sender_pause(load->sender, REASON_TRANSFORMATION_STOPPED);
        break;
    }
    load_worsen(load, at, &verdict);
}

static void take_outputs(struct load *load, const struct user_code_run *run) {
    size_t count = run->output_count;
    struct destination_event *events = ARENA_ARRAY(&load->arena, struct destination_event, count + 1);
    uint32_t *item_of = ARENA_ARRAY(&load->arena, uint32_t, count + 1);
    for (size_t i = 0; i < count; i++) {
        item_of[i] = run->outputs[i].input;
        events[i].message = run->outputs[i].message;
        events[i].metadata = load->events[item_of[i]].metadata;
    }
    load->events = events;
    load->event_count = count;
    load->item_of = item_of;
}

static void on_done(struct user_code_run *run, enum err e, const struct errinfo *why) {
    struct load *load = CONTAINER_OF(run, struct code_stage, run)->load;
    load->code = NULL;
    if (!load_is_back(load)) {
        return;
    }
    if (e == OK) {
        for (uint32_t i = 0; i < load->count; i++) {
            take_result(load, i, &run->results[i]);
        }
        take_outputs(load, run);
        load_make_requests(load);
    } else {
        load_cannot_prepare(load, e, why);
    }
}

void load_run_code(struct load *load) {
    struct code_stage *stage = ARENA_NEW(&load->arena, struct code_stage);
    struct slice *messages = ARENA_ARRAY(&load->arena, struct slice, load->count);
    uint64_t *sources = ARENA_ARRAY(&load->arena, uint64_t, load->count);
    for (uint32_t i = 0; i < load->count; i++) {
        messages[i] = load->events[i].message;
        sources[i] = load->items[i].item->source;
    }
    stage->load = load;
    stage->run = (struct user_code_run){.transform = load->courier->delivery->deps.transform,
        .settings = load->settings,
        .messages = messages,
        .sources = sources,
        .count = load->count,
        .client = load->courier->services,
        .arena = &load->arena,
        .loop = load->courier->loop,
        .on_done = on_done};
    load->code = &stage->run;
    load_goes_out(load);
    user_code_run(&stage->run);
}
