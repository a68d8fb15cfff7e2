/* The bytes of files as they are when the program is built (the Makefile names them as what this file depends on). */
#include "transform/assets.h"

#include "base/asset.h"

#ifndef ACORN_JS
#error "the Makefile says where acorn.js is"
#endif

ASSET(asset_acorn_js, ACORN_JS)
ASSET(asset_compiler_js, "src/transform/compiler.js")
ASSET(asset_runtime_js, "src/transform/runtime.js")
