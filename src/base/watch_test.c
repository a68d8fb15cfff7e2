/* A watched file: every way of replacing it is noticed. */
#include "base/watch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

struct scene {
    struct loop *loop;
    struct watch *watch;
    char folder[64], file[128], other[128];
    uint32_t changes;
};

static void on_change(void *ctx) {
    struct scene *scene = ctx;
    scene->changes++;
    loop_stop(scene->loop);
}

static void put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static struct scene scene;

static int setup(void **state) {
    (void)state;
    scene = (struct scene){.loop = loop_new("watch")};
    snprintf(scene.folder, sizeof scene.folder, "/tmp/sluice-watch-XXXXXX");
    if (mkdtemp(scene.folder) == NULL) {
        return -1;
    }
    snprintf(scene.file, sizeof scene.file, "%s/file", scene.folder);
    snprintf(scene.other, sizeof scene.other, "%s/other", scene.folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    watch_free(scene.watch);
    loop_free(scene.loop);
    unlink(scene.file);
    unlink(scene.other);
    return rmdir(scene.folder);
}

static void start(void) {
    struct errinfo why = {0};
    assert_int_equal(watch_new(scene.loop, scene.file, on_change, &scene, &scene.watch, &why), OK);
}

static void a_file_that_is_written_in_place_is_noticed(void **state) {
    (void)state;
    put(scene.file, "one");
    start();
    put(scene.file, "three");
    loop_run(scene.loop);
    assert_int_equal(scene.changes, 1);
}

static void a_file_that_is_renamed_over_is_noticed_each_time(void **state) {
    (void)state;
    put(scene.file, "one");
    start();
    for (uint32_t i = 1; i <= 3; i++) {
        put(scene.other, "two");
        assert_int_equal(rename(scene.other, scene.file), 0);
        loop_run(scene.loop);
        assert_int_equal(scene.changes, i);
    }
}

static void a_file_that_appears_later_is_noticed(void **state) {
    (void)state;
    start();
    put(scene.file, "one");
    loop_run(scene.loop);
    assert_int_equal(scene.changes, 1);
}

static void a_moved_link_is_noticed(void **state) {
    (void)state;
    char link[160];
    snprintf(link, sizeof link, "%s/link", scene.folder);
    put(scene.other, "here");
    put(scene.file, "there");
    assert_int_equal(symlink("other", link), 0);
    struct errinfo why = {0};
    assert_int_equal(watch_new(scene.loop, link, on_change, &scene, &scene.watch, &why), OK);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink("file", link), 0);
    loop_run(scene.loop);
    assert_int_equal(scene.changes, 1);
    assert_int_equal(unlink(link), 0);
}

struct scribble {
    struct loop_timer timer;
    uint32_t rounds;
};

static void on_scribble(struct loop_timer *timer) {
    struct scribble *scribble = CONTAINER_OF(timer, struct scribble, timer);
    put(scene.other, "noise");
    if (++scribble->rounds < 10000) {
        loop_timer_set(timer, timer->due_ms + WATCH_QUIET_MS / 5);
    }
}

static void a_neighbour_that_never_rests_does_not_hide_the_change(void **state) {
    (void)state;
    put(scene.file, "one");
    start();
    put(scene.file, "three");
    struct scribble scribble = {0};
    loop_timer_init(&scribble.timer, scene.loop, on_scribble);
    loop_timer_set(&scribble.timer, clock_ms());
    loop_run(scene.loop);
    loop_timer_clear(&scribble.timer);
    assert_int_equal(scene.changes, 1);
    assert_true(scribble.rounds < 10000);
}

static void on_enough(struct loop_timer *timer) {
    loop_stop(timer->loop);
}

static void a_file_that_goes_away_is_not_a_change_until_it_is_back(void **state) {
    (void)state;
    put(scene.file, "one");
    start();
    assert_int_equal(unlink(scene.file), 0);
    struct loop_timer enough;
    loop_timer_init(&enough, scene.loop, on_enough);
    loop_timer_set(&enough, clock_ms() + 4 * WATCH_QUIET_MS);
    loop_run(scene.loop);
    assert_int_equal(scene.changes, 0);
    put(scene.file, "two");
    loop_run(scene.loop);
    assert_int_equal(scene.changes, 1);
}

static void a_folder_that_does_not_exist_is_an_error_that_names_it(void **state) {
    (void)state;
    struct errinfo why = {0};
    assert_int_equal(
        watch_new(scene.loop, "/nonexistent-sluice/file", on_change, &scene, &scene.watch, &why), ERR_NOT_FOUND);
    assert_null(scene.watch);
    assert_string_equal(why.path, "/nonexistent-sluice");
}

int main(void) {
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_that_is_written_in_place_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_renamed_over_is_noticed_each_time, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_appears_later_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_moved_link_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_neighbour_that_never_rests_does_not_hide_the_change, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_goes_away_is_not_a_change_until_it_is_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_does_not_exist_is_an_error_that_names_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
