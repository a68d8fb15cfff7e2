/* The load generator: one thread, epoll, keep-alive connections.
 * Closed loop (--rate 0): each connection sends its next request when the answer has come.
 * Open loop (--rate R): requests are due on a fixed schedule; latency counts from the time a request was due, not from
 * when it could be sent, so a stalled server cannot hide its stall (no coordinated omission). Prints one JSON line. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "bench.h"

struct peer {
    int fd;
    bool busy;
    size_t sent, got;
    uint64_t due_ns;
    struct request *request;
    char *scratch; /* this connection's copy of the request, where ids are stamped */
    char answer[4096];
};

struct load {
    struct peer *peers;
    uint32_t peer_count;
    struct request *pool;
    uint32_t pool_count;
    uint64_t total, started, finished, bad;
    uint64_t begin_ns, interval_ns, end_ns;
    uint64_t id_base;
    int epoll;
    uint32_t idle_top;
    uint32_t *idle;
    struct hist hist;
};

static int connect_to(const char *host, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        fprintf(stderr, "sluice-bench: --host wants an IPv4 address, not \"%s\"\n", host);
        exit(2);
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("sluice-bench: connect");
        exit(1);
    }
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* a slower run, not a wrong one */
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);                             /* cannot fail on a socket of ours */
    return fd;
}

static void watch(struct load *load, struct peer *peer, uint32_t events, int operation) {
    struct epoll_event event = {.events = events, .data.ptr = peer};
    if (epoll_ctl(load->epoll, operation, peer->fd, &event) != 0) {
        perror("sluice-bench: epoll_ctl");
        exit(1);
    }
}

static void flush_peer(struct load *load, struct peer *peer) {
    while (peer->sent < peer->request->len) {
        ssize_t n = send(peer->fd, peer->scratch + peer->sent, peer->request->len - peer->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            watch(load, peer, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
            return;
        }
        if (n <= 0) {
            perror("sluice-bench: send");
            exit(1);
        }
        peer->sent += (size_t)n;
    }
}

static void start_request(struct load *load, struct peer *peer, uint64_t due_ns) {
    struct request *request = &load->pool[load->started % load->pool_count];
    memcpy(peer->scratch, request->bytes, request->len);
    /* in the open loop an id says when its event was due, for the sink to measure against */
    uint64_t first = load->interval_ns > 0 ? due_ns : load->id_base + load->started * request->id_count;
    for (uint32_t i = 0; i < request->id_count; i++) {
        payload_stamp(peer->scratch + request->ids[i], first + i);
    }
    load->started++;
    *peer = (struct peer){.fd = peer->fd, .busy = true, .due_ns = due_ns, .request = request, .scratch = peer->scratch};
    flush_peer(load, peer);
}

/* Length of a complete response at the start of the buffer; 0 = not yet. */
static size_t response_length(struct peer *peer) {
    peer->answer[peer->got] = '\0';
    char *end = strstr(peer->answer, "\r\n\r\n");
    if (end == NULL) {
        return 0;
    }
    uint64_t body = 0;
    char *length = strcasestr(peer->answer, "content-length:");
    if (length != NULL && length < end) {
        struct slice rest, value = slice_cut(slice_of(length + 15, (size_t)(end - length) - 15), '\r', &rest);
        if (slice_to_u64(slice_trim(value), &body) != OK) {
            body = 0;
        }
    }
    size_t whole = (size_t)(end - peer->answer) + 4 + body;
    return peer->got >= whole ? whole : 0;
}

static void finish_request(struct load *load, struct peer *peer) {
    uint64_t now = now_ns();
    hist_add(&load->hist, now - peer->due_ns);
    load->bad += strncmp(peer->answer, "HTTP/1.1 2", 10) != 0;
    load->finished++;
    load->end_ns = now;
    peer->busy = false;
    if (load->interval_ns == 0) {
        if (load->started < load->total) {
            start_request(load, peer, now);
        }
    } else {
        load->idle[load->idle_top++] = (uint32_t)(peer - load->peers);
    }
}

static void on_readable(struct load *load, struct peer *peer) {
    ssize_t n = recv(peer->fd, peer->answer + peer->got, sizeof peer->answer - 1 - peer->got, 0);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n <= 0) {
        fprintf(stderr, "sluice-bench: the server closed a connection\n");
        exit(1);
    }
    peer->got += (size_t)n;
    if (response_length(peer) > 0) {
        finish_request(load, peer);
    }
}

/* Open loop: starts what is due; what finds no free connection waits, and its latency grows. */
static void start_due(struct load *load) {
    uint64_t now = now_ns();
    while (load->started < load->total && load->idle_top > 0) {
        uint64_t due = load->begin_ns + load->started * load->interval_ns;
        if (due > now) {
            return;
        }
        start_request(load, &load->peers[load->idle[--load->idle_top]], due);
    }
}

static void arm_timer(struct load *load, int timer) {
    uint64_t due = load->begin_ns + load->started * load->interval_ns;
    struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(due / 1000000000ULL), .tv_nsec = (long)(due % 1000000000ULL)}};
    (void)timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL); /* arguments are ours: cannot fail */
}

static void run(struct load *load) {
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    (void)epoll_ctl(load->epoll, EPOLL_CTL_ADD, timer, &event); /* fresh descriptors of ours */
    load->begin_ns = now_ns();
    for (uint32_t i = 0; load->interval_ns == 0 && i < load->peer_count && load->started < load->total; i++) {
        start_request(load, &load->peers[i], load->begin_ns);
    }
    struct epoll_event events[256];
    while (load->finished < load->total) {
        if (load->interval_ns > 0) {
            start_due(load);
            arm_timer(load, timer);
        }
        int n = epoll_wait(load->epoll, events, COUNT_OF(events), -1);
        for (int i = 0; i < n; i++) {
            struct peer *peer = events[i].data.ptr;
            if (peer == NULL) {
                uint64_t ticks;
                (void)!read(timer, &ticks, sizeof ticks); /* only to clear it */
                continue;
            }
            if (events[i].events & EPOLLOUT) {
                watch(load, peer, EPOLLIN, EPOLL_CTL_MOD);
                flush_peer(load, peer);
            }
            if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
                on_readable(load, peer);
            }
        }
    }
    close(timer);
}

static void report(const struct load *load, unsigned batch, uint64_t cpu) {
    double seconds = (double)(load->end_ns - load->begin_ns) / 1e9;
    printf(
        "{\"requests\":%llu,\"events\":%llu,\"bad\":%llu,\"seconds\":%.4f,\"requests_per_s\":%.1f,\"events_per_s\":%.1f,\"p50_us\":%.1f,\"p90_us\":%.1f,"
        "\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,\"loader_cpu_s\":%.3f,\"bytes_per_request\":%zu}\n",
        (unsigned long long)load->finished, (unsigned long long)(load->finished * batch), (unsigned long long)load->bad,
        seconds, (double)load->finished / seconds, (double)(load->finished * batch) / seconds,
        (double)hist_quantile(&load->hist, 0.5) / 1e3, (double)hist_quantile(&load->hist, 0.9) / 1e3,
        (double)hist_quantile(&load->hist, 0.99) / 1e3, (double)hist_quantile(&load->hist, 0.999) / 1e3,
        (double)load->hist.max / 1e3, (double)cpu / 1e9, load->pool[0].len);
}

int bench_load(int argc, char **argv) {
    const char *host = arg_text(argc, argv, "--host", "127.0.0.1");
    unsigned batch = (unsigned)arg_u64(argc, argv, "--batch", 1);
    struct payload_spec spec = {.shape = arg_text(argc, argv, "--shape", "event1400"),
        .batch = batch,
        .gzip = arg_flag(argc, argv, "--gzip"),
        .host = host,
        .path = arg_text(argc, argv, "--path", batch > 1 ? "/v1/batch" : "/v1/track"),
        .key = arg_text(argc, argv, "--key", "wk_bench")};
    static struct load load;
    load.total = arg_u64(argc, argv, "--requests", 100000);
    uint64_t rate = arg_u64(argc, argv, "--rate", 0);
    load.interval_ns = rate > 0 ? 1000000000ULL / rate : 0;
    load.pool_count = (uint32_t)(spec.gzip ? load.total : arg_u64(argc, argv, "--pool", 1000));
    load.pool = payload_build(&spec, load.pool_count);
    load.peer_count = (uint32_t)arg_u64(argc, argv, "--connections", 64);
    load.peers = mem_alloc(sizeof *load.peers * load.peer_count);
    load.idle = mem_alloc(sizeof *load.idle * load.peer_count);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.id_base = now_ns() * 1000; /* distinct between runs: the server remembers message ids */
    size_t largest = 0;
    for (uint32_t i = 0; i < load.pool_count; i++) {
        largest = load.pool[i].len > largest ? load.pool[i].len : largest;
    }
    for (uint32_t i = 0; i < load.peer_count; i++) {
        load.peers[i].scratch = mem_alloc(largest);
        load.peers[i].fd = connect_to(host, (uint16_t)arg_u64(argc, argv, "--port", 8080));
        watch(&load, &load.peers[i], EPOLLIN, EPOLL_CTL_ADD);
        load.idle[load.idle_top++] = i;
    }
    uint64_t cpu = cpu_ns();
    run(&load);
    report(&load, batch, cpu_ns() - cpu);
    return load.bad == 0 ? 0 : 1;
}
