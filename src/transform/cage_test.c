/* What a process in the cage can still do, tried in a child of its own. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attr.h"
#include "transform/cage.h"

static bool opens_a_file(void) {
    return open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0 || errno != EPERM;
}
static bool makes_a_file(void) {
    return creat("/tmp/caged", 0600) >= 0 || errno != EPERM;
}
static bool opens_a_socket(void) {
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 || errno != EPERM;
}
static bool opens_a_unix_socket(void) {
    int pair[2];
    return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 || errno != EPERM;
}
static bool forks(void) {
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    return pid > 0 || errno != EPERM;
}
static bool runs_a_program(void) {
    char *const argv[] = {NULL};
    return execve("/bin/true", argv, argv) == 0 || errno != EPERM;
}
static bool kills_its_parent(void) {
    return kill(getppid(), 0) == 0 || errno != EPERM;
}
static bool traces(void) {
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 || errno != EPERM;
}
static bool looks_at_a_file(void) {
    struct stat info;
    return stat("/etc/passwd", &info) == 0 || errno != EPERM;
}
static bool leaves_for_a_namespace(void) {
    return unshare(CLONE_NEWUSER) == 0 || errno != EPERM;
}
static const struct {
    const char *name;
    bool (*works)(void);
} attempts[] = {{"opens a file", opens_a_file}, {"makes a file", makes_a_file}, {"opens a socket", opens_a_socket},
    {"opens a unix socket", opens_a_unix_socket}, {"forks", forks}, {"runs a program", runs_a_program},
    {"kills its parent", kills_its_parent}, {"traces", traces}, {"looks at a file", looks_at_a_file},
    {"leaves for a namespace", leaves_for_a_namespace}};

enum { ALL_FAILED = 100, NOT_CAGED = 101 };

/* In the child: the number of the first attempt that works. */
static int try_all(void) {
    struct cage cage;
    struct errinfo why = {.at = 0};
    if (cage_enter(&cage, &why) != OK || cage_shut(&why) != OK) {
        return NOT_CAGED;
    }
    for (size_t i = 0; i < COUNT_OF(attempts); i++) {
        if (attempts[i].works()) {
            return (int)i;
        }
    }
    return ALL_FAILED;
}

static void in_the_cage_nothing_new_can_be_opened_started_or_reached(void **state) {
    (void)state;
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        _exit(try_all());
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) < (int)COUNT_OF(attempts)) {
        fail_msg("it %s", attempts[WEXITSTATUS(status)].name);
    }
    assert_int_equal(WEXITSTATUS(status), ALL_FAILED);
}

static void memory_time_and_open_descriptors_go_on_working(void **state) {
    (void)state;
    int status = 0, ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        struct cage cage;
        struct errinfo why = {.at = 0};
        bool caged = cage_enter(&cage, &why) == OK && cage_shut(&why) == OK;
        _exit(caged && write(ends[1], "x", 1) == 1 && clock() != (clock_t)-1 ? ALL_FAILED : NOT_CAGED);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), ALL_FAILED);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_cage_nothing_new_can_be_opened_started_or_reached),
        cmocka_unit_test(memory_time_and_open_descriptors_go_on_working),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
