/* A delivery loop: gathers what an iteration brings, writes it, then lets its senders go on. */
#include <stdio.h>

#include "base/clock.h"
#include "delivery/delivery_internal.h"

enum {
    DEPTH_MAX = 1024,        /* no less than what the gateway lets in */
    CONNECTIONS_MAX = 16384, /* each destination has its own bound: this one must not tie them together */
    ARENA_CHUNK = 16 * 1024,
    SERVICE_RESPONSE_BYTES = 64 << 20, /* what a transformer makes of a load */
};

void courier_wake(struct courier *courier) {
    if (!courier->working) {
        loop_defer(courier->loop, &courier->defer);
    }
}

void courier_touch(struct courier *courier, struct sender *sender) {
    if (!sender->touched) {
        sender->touched = true;
        sender->next_touched = courier->touched;
        courier->touched = sender;
    }
    courier_wake(courier);
}

static void touch_all(struct courier *courier) {
    for (size_t i = 0; i < courier->sender_count; i++) {
        courier_touch(courier, courier->senders[i]);
    }
}

/* What this leaves to do is done in the loop's next iteration, so that answers and other destinations come in between.
 */
void courier_work(struct courier *courier) {
    courier->working = true;
    if (courier_flush(courier)) {
        struct sender *pumped = courier->touched;
        courier->touched = NULL;
        for (struct sender *sender = pumped; sender != NULL; sender = sender->next_pumped) {
            sender->next_pumped = sender->next_touched;
            sender->touched = false;
        }
        for (struct sender *sender = pumped; sender != NULL; sender = sender->next_pumped) {
            sender_pump(sender);
        }
        bool written = courier_flush(courier);
        for (struct sender *sender = pumped; written && sender != NULL; sender = sender->next_pumped) {
            sender_progress(sender);
        }
    }
    courier->working = false;
    if (courier->touched != NULL && !courier->notes_failed && !courier->again_posted) {
        courier->again_posted = true;
        loop_post(courier->loop, &courier->again_msg);
    }
}

void courier_landed(struct courier *courier) {
    bool calm = courier->stopping && courier->busy == 0;
    bool empty = courier->stopped && courier->orphans == 0;
    if (calm || empty) {
        pthread_mutex_lock(&courier->delivery->calm_lock);
        courier->calm = courier->calm || calm;
        courier->empty = courier->empty || empty;
        pthread_cond_broadcast(&courier->delivery->calm);
        pthread_mutex_unlock(&courier->delivery->calm_lock);
    }
}

static void on_defer(struct loop_defer *defer) {
    courier_work(CONTAINER_OF(defer, struct courier, defer));
}

static void on_again(struct loop_msg *msg) {
    struct courier *courier = CONTAINER_OF(msg, struct courier, again_msg);
    courier->again_posted = false;
    courier_wake(courier);
}

static void on_note_timer(struct loop_timer *timer) {
    struct courier *courier = CONTAINER_OF(timer, struct courier, note_timer);
    touch_all(courier);
}

void courier_init(struct courier *courier, struct delivery *delivery, size_t number) {
    const struct delivery_conf *conf = &delivery->conf;
    char name[16];
    snprintf(name, sizeof name, "delivery-%u", (unsigned)(number % 1000));
    *courier = (struct courier){.delivery = delivery, .loop = loop_new(name), .parser = json_parser_new(DEPTH_MAX)};
    courier->defer.on_defer = on_defer;
    courier->again_msg.on_msg = on_again;
    loop_timer_init(&courier->note_timer, courier->loop, on_note_timer);
    arena_init(&courier->outcome_arena, ARENA_CHUNK, 0);
    arena_init(&courier->save_arena, ARENA_CHUNK, 0);
    buf_init(&courier->row_text, 0);
    struct http_client_conf client = {.connections = CONNECTIONS_MAX,
        .connections_per_host = 0,
        .connect_ms = conf->connect_timeout,
        .allow_private = conf->allow_private,
        .ca_file = conf->ca_file,
        .proxy = conf->proxy,
        .connect_to = conf->connect_to,
        .response_bytes = conf->response_bytes};
    courier->client = http_client_new(courier->loop, &client);
    client.allow_private = true;
    client.response_bytes = SERVICE_RESPONSE_BYTES;
    courier->services = http_client_new(courier->loop, &client);
}

void courier_fini(struct courier *courier) {
    ASSERT(courier->loads == NULL && courier->orphans == 0);
    for (size_t i = 0; i < courier->sender_count; i++) {
        sender_free(courier->senders[i]);
    }
    http_client_free(courier->client);
    http_client_free(courier->services);
    courier_free_loads(courier);
    loop_timer_clear(&courier->note_timer);
    loop_free(courier->loop);
    json_parser_free(courier->parser);
    arena_fini(&courier->outcome_arena);
    arena_fini(&courier->save_arena);
    buf_fini(&courier->row_text);
    mem_free(courier->outcomes);
    mem_free(courier->senders);
}
