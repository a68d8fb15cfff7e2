/* Processes by posix_spawn, which does not copy a large server's page tables. */
#include "transform/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/slice.h"
#include "transform/worker.h"

static enum err failed(const char *what, int number, struct errinfo *why) {
    return err_why(err_from_errno(number), why, "worker", "%s: %s", what, strerror(number));
}

static int prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, int child_socket) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int e = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    e = e == 0 ? posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) : e;
    e = e == 0 ? posix_spawn_file_actions_addopen(actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) : e;
    e = e == 0 ? posix_spawn_file_actions_adddup2(actions, child_socket, WORKER_FD) : e;
    e = e == 0 ? posix_spawnattr_setsigmask(attributes, &none) : e;
    e = e == 0 ? posix_spawnattr_setsigdefault(attributes, &all) : e;
    /* a group of its own: Ctrl-C in a terminal is the server's to answer */
    e = e == 0 ? posix_spawnattr_setpgroup(attributes, 0) : e;
    return e == 0
        ? posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP)
        : e;
}

static int spawn(const char *program, int child_socket, pid_t *ret_pid) {
    static char name[] = "sluice", verb[] = "worker";
    /* One marker thread is enough for heaps of this size; WebAssembly is a compiler nobody asked for; frames of tail
     * calls belong into stack traces, as in other engines. */
    static char zone[] = "TZ=UTC", locale[] = "LC_ALL=C.UTF-8", wasm[] = "JSC_useWasm=0";
    static char markers[] = "JSC_numberOfGCMarkers=1", tail_calls[] = "JSC_useTailCalls=0";
    char *const argv[] = {name, verb, NULL};
    char *const environment[] = {zone, locale, wasm, markers, tail_calls, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int e = posix_spawn_file_actions_init(&actions);
    if (e != 0) {
        return e;
    }
    e = posix_spawnattr_init(&attributes);
    if (e == 0) {
        e = prepare(&actions, &attributes, child_socket);
        e = e == 0 ? posix_spawn(ret_pid, program, &actions, &attributes, argv, environment) : e;
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return e;
}

enum err process_start(const char *program, struct process *ret_process, struct errinfo *why) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return failed("socketpair", errno, why);
    }
    struct process process = {.socket = pair[0], .pidfd = -1};
    int e = spawn(program != NULL ? program : "/proc/self/exe", pair[1], &process.pid);
    close(pair[1]);
    if (e != 0) {
        close(pair[0]);
        return failed("start", e, why);
    }
    process.pidfd = (int)syscall(SYS_pidfd_open, process.pid, 0);
    if (process.pidfd < 0 || fcntl(process.socket, F_SETFL, O_NONBLOCK) != 0) {
        e = errno;
        process_kill(&process);
        (void)waitpid(process.pid, NULL, 0); /* killed: ends at once */
        close(process.socket);
        return failed("pidfd_open", e, why);
    }
    *ret_process = process;
    return OK;
}

uint64_t process_memory(const struct process *process) {
    enum { TEXT_SIZE = 128 };
    char path[64], text[TEXT_SIZE];
    snprintf(path, sizeof path, "/proc/%d/statm", (int)process->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t len = read(fd, text, sizeof text);
    close(fd);
    struct slice rest;
    uint64_t pages = 0;
    (void)slice_cut(slice_of(text, len > 0 ? (size_t)len : 0), ' ', &rest); /* the first number is of addresses */
    if (rest.ptr == NULL || slice_to_u64(slice_cut(rest, ' ', &rest), &pages) != OK) {
        return 0;
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t process_cpu_ms(const struct process *process) {
    enum { MS_PER_S = 1000, NS_PER_MS = 1000000 };
    clockid_t clock;
    struct timespec spent;
    if (clock_getcpuclockid(process->pid, &clock) != 0 || clock_gettime(clock, &spent) != 0) {
        return 0;
    }
    return (uint64_t)spent.tv_sec * MS_PER_S + (uint64_t)(spent.tv_nsec / NS_PER_MS);
}

void process_kill(const struct process *process) {
    (void)kill(process->pid, SIGKILL); /* it may be dead already, and is not reaped yet */
}

bool process_reap(struct process *process) {
    if (waitpid(process->pid, NULL, WNOHANG) == 0) {
        return false;
    }
    close(process->pidfd);
    process->pidfd = -1;
    return true;
}
