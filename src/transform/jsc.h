/* JavaScriptCore's C API, found at run time, so that only worker processes pay for the engine. Private to transform/.
 * thread: the worker's only one. */
#ifndef SLUICE_TRANSFORM_JSC_H
#define SLUICE_TRANSFORM_JSC_H

#include <JavaScriptCore/JavaScript.h>

#include "base/err.h"

/* Exported by the library, absent from its headers. */
typedef bool (*jsc_should_stop)(JSContextRef context, void *ctx);
void JSContextGroupSetExecutionTimeLimit(
    JSContextGroupRef group, double seconds, jsc_should_stop should_stop, void *ctx);

#define JSC_FUNCTIONS(J) \
    J(JSContextGroupCreate) \
    J(JSContextGroupRelease) \
    J(JSContextGroupSetExecutionTimeLimit) \
    J(JSContextGetGlobalObject) \
    J(JSEvaluateScript) \
    J(JSGarbageCollect) \
    J(JSGlobalContextCreateInGroup) \
    J(JSGlobalContextRelease) \
    J(JSObjectCallAsFunction) \
    J(JSObjectGetProperty) \
    J(JSObjectMake) \
    J(JSObjectMakeFunctionWithCallback) \
    J(JSObjectSetProperty) \
    J(JSStringCreateWithUTF8CString) \
    J(JSStringGetLength) \
    J(JSStringGetMaximumUTF8CStringSize) \
    J(JSStringGetUTF8CString) \
    J(JSStringRelease) \
    J(JSValueIsObject) \
    J(JSValueIsString) \
    J(JSValueMakeBoolean) \
    J(JSValueMakeNumber) \
    J(JSValueMakeString) \
    J(JSValueMakeUndefined) \
    J(JSValueProtect) \
    J(JSValueToBoolean) \
    J(JSValueToNumber) \
    J(JSValueToStringCopy)

/* The library's functions by their own names: jsc.JSEvaluateScript(...). */
struct jsc {
#define J(name) __typeof__(&name) name;
    JSC_FUNCTIONS(J)
#undef J
};
extern struct jsc jsc;

/* ERR_NOT_FOUND names the package to install. Stays open for the life of the process. */
MUST enum err jsc_open(struct errinfo *why);

#endif
