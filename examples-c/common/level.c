#include "level.h"

#include <string.h>

#include "mgenjit.h"

int level_parse(const char *text, int32_t *level)
{
    static const char names[] = "0123sz";
    static const int32_t levels[] = {MGENJIT_OPT_O0, MGENJIT_OPT_O1, MGENJIT_OPT_O2,
                                     MGENJIT_OPT_O3, MGENJIT_OPT_OS, MGENJIT_OPT_OZ};
    if (text[0] == 'O')
        text++;
    const char *found = text[0] != '\0' && text[1] == '\0' ? strchr(names, text[0]) : NULL;
    if (found == NULL)
        return 0;
    *level = levels[found - names];
    return 1;
}

const char *level_name(int32_t level)
{
    switch (level) {
    case MGENJIT_OPT_O0: return "O0";
    case MGENJIT_OPT_O1: return "O1";
    case MGENJIT_OPT_O2: return "O2";
    case MGENJIT_OPT_O3: return "O3";
    case MGENJIT_OPT_OS: return "Os";
    case MGENJIT_OPT_OZ: return "Oz";
    default: return "?";
    }
}
