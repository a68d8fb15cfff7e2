/* Opens JavaScriptCore and fills the table of its functions. */
#include "transform/jsc.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libjavascriptcoregtk-4.1.so.0"

struct jsc jsc;

static enum err missing(struct errinfo *why) {
    return err_why(
        ERR_NOT_FOUND, why, LIBRARY, "%s; install libjavascriptcoregtk-4.1-0 to run transformations", dlerror());
}

enum err jsc_open(struct errinfo *why) {
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return missing(why);
    }
    static const struct {
        const char *name;
        size_t offset;
    } functions[] = {
#define J(name) {#name, offsetof(struct jsc, name)},
        JSC_FUNCTIONS(J)
#undef J
    };
    for (size_t i = 0; i < COUNT_OF(functions); i++) {
        void *found = dlsym(library, functions[i].name);
        if (found == NULL) {
            return missing(why);
        }
        /* POSIX: what dlsym gives is a function's address all the same */
        memcpy((char *)&jsc + functions[i].offset, &found, sizeof found);
    }
    return OK;
}
