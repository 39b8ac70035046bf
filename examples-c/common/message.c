#include "message.h"

#include <stdlib.h>
#include <string.h>

/* The library's words and the tools' words for the same. Of names with the same beginning, the longer comes first. */
static const struct {
    const char *library;
    const char *tool;
} words[] = {
    {"mgenjit_cache_resolve finds one by its first", "the first digits are enough if no other key has them"},
    {"mgenjit_config_set_cache_dir", "--cache-dir"},
    {"mgenjit_config_set_cache_keep_ir", "or with --no-cache"},
    {"mgenjit_config_set_compile_limits", "--max-time or --max-memory"},
    {"mgenjit_config_set_cpu", "--cpu"},
    {"mgenjit_config_set_linker_timeout", "--linker-timeout"},
    {"mgenjit_config_set_linker", "--linker"},
    {"mgenjit_config_set_partition", "--pieces"},
    {"mgenjit_config_set_profile_generate", "--profile-generate"},
    {"mgenjit_config_set_remote", "--remote"},
    {"mgenjit_config_set_replaceable", "replaceable modules, which only the library has"},
    {"mgenjit_config_set_server_limits", "--max-time, --max-memory or --queue-timeout of mgenjit-server"},
    {"mgenjit_config_set_target", "--target"},
    {"mgenjit_config_set_tiers", "--tiers"},
    {"mgenjit_executor_run_isolated", "mgenjit run --isolated"},
    {"mgenjit_export_options_add_library", "-l"},
    {"mgenjit_isolation_set_processes", "--processes"},
    {"mgenjit_module_remove", "the library"},
    {"mgenjit_module_replace", "the library"},
    {"mgenjit_server_status", "mgenjit server status"},
    {"mgenjit_source_keep", "--keep"},
    {"define it, add a module that does, or load a library that does",
     "add a file that defines it (--with, --add) or a library that does (--lib)"},
    {"define them, add a module that does, or load a library that does",
     "add a file that defines them (--with, --add) or a library that does (--lib)"},
};

enum { WORDS = sizeof words / sizeof words[0] };

char *message_for_tools(const char *text)
{
    size_t room = strlen(text) + 1;
    for (size_t i = 0; i < WORDS; i++)
        for (const char *at = text; (at = strstr(at, words[i].library)) != NULL; at++)
            room += strlen(words[i].tool);
    char *message = malloc(room);
    if (message == NULL)
        return NULL;
    char *out = message;
    while (*text != '\0') {
        size_t i = 0;
        while (i < WORDS && strncmp(text, words[i].library, strlen(words[i].library)) != 0)
            i++;
        if (i == WORDS) {
            *out++ = *text++;
            continue;
        }
        memcpy(out, words[i].tool, strlen(words[i].tool));
        out += strlen(words[i].tool);
        text += strlen(words[i].library);
    }
    *out = '\0';
    return message;
}
