/* The workspaces that people copy from are good: the one in docs/workspace.md and deploy/demo/workspace.yaml. Run from
 * the top of the tree; elsewhere these tests are skipped. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "model/workspace.h"

static struct workspace *parsed(struct slice text, const char *path) {
    struct workspace *workspace = NULL;
    struct errinfo why = {.text = ""};
    enum err e = workspace_parse(text, path, NULL, &workspace, &why);
    if (e != OK) {
        print_error("%s: %s\n", why.path, why.text);
    }
    assert_int_equal(e, OK);
    return workspace;
}

static void read_file(const char *path, struct buf *buf) {
    buf_init(buf, 1 << 20);
    assert_int_equal(buf_reserve(buf, 1 << 16), OK);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        buf_fini(buf);
        skip();
    }
    ssize_t got = read(fd, buf->ptr, buf->cap);
    close(fd);
    assert_true(got > 0);
    buf->len = (size_t)got;
}

/* What is between "```yaml" and "```". */
static struct slice first_yaml(struct slice page) {
    struct slice rest = page;
    while (rest.ptr != NULL && !slice_eq(slice_cut(rest, '\n', &rest), SLICE("```yaml"))) {}
    assert_non_null(rest.ptr);
    const char *end = memmem(rest.ptr, rest.len, "\n```", 4);
    assert_non_null(end);
    return slice_of(rest.ptr, (size_t)(end - rest.ptr));
}

static void the_example_of_the_manual_is_a_good_workspace(void **state) {
    (void)state;
    struct buf page;
    read_file("docs/workspace.md", &page);
    assert_int_equal(setenv("CRM_TOKEN", "secret", 1), 0);
    struct workspace *workspace = parsed(first_yaml(buf_slice(&page)), "docs/workspace.md");
    const struct workspace_info *info = workspace_info(workspace);
    assert_int_equal(info->connection_count, 2);
    assert_non_null(memmem(info->destinations[0]->config.ptr, info->destinations[0]->config.len, "Bearer secret", 13));
    assert_int_equal(info->destinations[0]->rules.concurrency, 16);
    workspace_release(workspace);
    buf_fini(&page);
}

static void the_demo_is_a_good_workspace(void **state) {
    (void)state;
    struct buf text;
    read_file("deploy/demo/workspace.yaml", &text);
    struct workspace *workspace = parsed(buf_slice(&text), "deploy/demo/workspace.yaml");
    assert_true(workspace_info(workspace)->connections[0].enabled && workspace_info(workspace)->connections[0].cloud);
    workspace_release(workspace);
    buf_fini(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_manual_is_a_good_workspace),
        cmocka_unit_test(the_demo_is_a_good_workspace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
