/* The walls around user code, outermost first: a user and namespaces of its own, resource limits, and a list of system
 * calls. A call that is not on the list fails with EPERM: what the engine's helper threads try and can do without
 * (scheduling classes) must not end the process. */
#include "transform/cage.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOBODY = 65534, DESCRIPTORS = 64 };

static enum err failed(const char *what, struct errinfo *why) {
    return err_why(err_from_errno(errno), why, "worker", "%s: %s", what, strerror(errno));
}

static enum err no_more_than(int resource, rlim_t most, struct errinfo *why) {
    struct rlimit limit = {.rlim_cur = most, .rlim_max = most};
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0 ? OK : failed("setrlimit", why);
}

static enum err leave_root(struct errinfo *why) {
    if (geteuid() != 0) {
        return OK;
    }
    if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0) {
        return failed("leave root", why);
    }
    return OK;
}

static enum err drop_capabilities(struct errinfo *why) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
    memset(none, 0, sizeof none);
    return syscall(SYS_capset, &head, none) == 0 ? OK : failed("capset", why);
}

enum err cage_enter(struct cage *ret_cage, struct errinfo *why) {
    pid_t parent = getppid();
    enum err e = leave_root(why);
    if (e != OK) {
        return e;
    }
    ret_cage->user_namespace = unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) == 0;
    e = drop_capabilities(why);
    e = e == OK ? no_more_than(RLIMIT_CORE, 0, why) : e;
    e = e == OK ? no_more_than(RLIMIT_FSIZE, 0, why) : e;
    e = e == OK ? no_more_than(RLIMIT_NOFILE, DESCRIPTORS, why) : e;
    if (e != OK) {
        return e;
    }
    /* after the change of user, which clears it */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return failed("prctl", why);
    }
    if (getppid() != parent) {
        return err_why(ERR_CLOSED, why, "worker", "the server has gone");
    }
    return OK;
}

static int allow_all(scmp_filter_ctx filter) {
    static const int calls[] = {/* the socket */
        SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(recvfrom), SCMP_SYS(write), SCMP_SYS(writev),
        SCMP_SYS(close), SCMP_SYS(poll), SCMP_SYS(ppoll),
        /* memory */
        SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(mremap), SCMP_SYS(brk),
        SCMP_SYS(mincore), SCMP_SYS(membarrier),
        /* threads; eventfd2 is how GLib wakes those of the engine */
        SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
        SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(eventfd2),
        /* signals: the collector stops threads with them */
        SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigsuspend),
        SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
        /* time, chance, usage */
        SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
        SCMP_SYS(gettimeofday), SCMP_SYS(getrandom), SCMP_SYS(getrusage), SCMP_SYS(sysinfo)};
    int e = 0;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0] && e == 0; i++) {
        e = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    }
    return e;
}

/* A call whose first argument, under `mask`, is `wanted`. */
static int allow_if(scmp_filter_ctx filter, int call, scmp_datum_t mask, scmp_datum_t wanted) {
    const struct scmp_arg_cmp first = {.arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = wanted};
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &first);
}

/* Threads of this process only. glibc falls back to clone, whose flags can be read, when there is no clone3. */
static int allow_threads(scmp_filter_ctx filter) {
    const scmp_datum_t whole = UINT32_MAX;
    int e = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    e = e == 0 ? allow_if(filter, SCMP_SYS(clone), CLONE_THREAD, CLONE_THREAD) : e;
    e = e == 0 ? allow_if(filter, SCMP_SYS(tgkill), whole, (scmp_datum_t)getpid()) : e;
    return e == 0 ? allow_if(filter, SCMP_SYS(prctl), whole, PR_SET_NAME) : e;
}

enum err cage_shut(struct errinfo *why) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int e = filter == NULL ? -ENOMEM : 0;
    /* every thread that runs already, too */
    e = e == 0 ? seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) : e;
    e = e == 0 ? allow_all(filter) : e;
    e = e == 0 ? allow_threads(filter) : e;
    e = e == 0 ? seccomp_load(filter) : e;
    if (filter != NULL) {
        seccomp_release(filter);
    }
    if (e != 0) {
        errno = -e;
        return failed("seccomp", why);
    }
    return OK;
}
