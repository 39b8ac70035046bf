#include "setup.h"

#include <string.h>

#include "report.h"

static int parse_opt_level(const char *text, int32_t *level)
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

int setup_take(struct setup *setup, int option, const char *value, const char *usage, int *exit_code)
{
    mgenjit_config *config = setup->config;
    mgenjit_error *error = NULL;
    int32_t level;

    switch (option) {
    case 'O':
        if (parse_opt_level(value, &level))
            mgenjit_config_set_opt_level(config, level, &error);
        else
            *exit_code = report_wrong_usage(usage, "not an optimisation level (0, 1, 2, 3, s, z): ", value);
        break;
    case SETUP_CACHE_DIR: mgenjit_config_set_cache_dir(config, value, &error); break;
    case SETUP_LAYER: mgenjit_config_add_cache_layer(config, value, &error); break;
    case SETUP_NO_CACHE: mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &error); break;
    case SETUP_SIGN: mgenjit_config_set_cache_signing_key(config, value, &error); break;
    case SETUP_TRUST: mgenjit_config_add_cache_trusted_key(config, value, &error); break;
    case SETUP_TIME: setup->time = 1; break;
    case SETUP_VERBOSE: mgenjit_config_set_event_hook(config, report_event, NULL, NULL, &error); break;
    default: return 0;
    }
    if (error != NULL)
        *exit_code = report_error(NULL, error);
    return 1;
}
