/* Where a definition's code comes from. Private to destination/.
 *
 * thread: whoever loads the definition. */
#ifndef SLUICE_DESTINATION_CODE_LOAD_H
#define SLUICE_DESTINATION_CODE_LOAD_H

#include "destination/definition.h"

/* A whole file, in `arena`. Blocks. */
MUST enum err code_read_file(const char *file, struct arena *arena, struct slice *ret_text, struct errinfo *why);
/* `text` lives as long as the program. */
void code_attach_embedded(struct definition *d, const char *name, struct slice text);
/* <folder>/transform.js; what it imports from _lib/ is beside the folder, else the program's. Blocks. */
MUST enum err code_attach_folder(struct definition *d, const char *folder, struct errinfo *why);

#endif
