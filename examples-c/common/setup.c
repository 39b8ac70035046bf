#define _POSIX_C_SOURCE 200809L

#include "setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "events.h"
#include "files.h"
#include "level.h"
#include "report.h"

int setup_seconds(const char *text, uint64_t *milliseconds)
{
    char *end;
    double seconds = strtod(text, &end);
    /* Written so that a NaN fails. */
    if (end == text || *end != '\0' || !(seconds >= 0 && seconds <= 1e9))
        return 0;
    /* Rounded up: 0 is for ever. */
    *milliseconds = (uint64_t)(seconds * 1e3);
    *milliseconds += (double)*milliseconds < seconds * 1e3;
    return 1;
}

static int read_mebibytes(const char *text, uint64_t *bytes)
{
    char *end;
    double mebibytes = strtod(text, &end);
    if (end == text || *end != '\0' || !(mebibytes >= 0 && mebibytes <= 1e9))
        return 0;
    *bytes = (uint64_t)(mebibytes * (1 << 20));
    return 1;
}

int setup_pieces(const char *text, int32_t *size)
{
    char *end;
    if (strcmp(text, "auto") == 0) {
        *size = MGENJIT_PARTITION_AUTOMATIC;
        return 1;
    }
    if (strcmp(text, "off") == 0) {
        *size = MGENJIT_PARTITION_OFF;
        return 1;
    }
    long long number = strtoll(text, &end, 10);
    *size = (int32_t)number;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && number > 0 && number <= INT32_MAX;
}

static int read_server_mode(const char *text, int32_t *mode)
{
    *mode = strcmp(text, "shared") == 0 ? MGENJIT_SERVER_SHARED : MGENJIT_SERVER_PRIVATE;
    return *mode == MGENJIT_SERVER_SHARED || strcmp(text, "private") == 0;
}

static void use_profile(mgenjit_config *config, const char *path, int *exit_code, mgenjit_error **error)
{
    size_t size;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    char *bytes = file < 0 ? NULL : read_to_end(file, &size);
    int why = errno;
    if (file >= 0)
        close(file);
    if (bytes == NULL) {
        fprintf(stderr, "%s: the profile %s cannot be read: %s\n", program_name, path, strerror(why));
        *exit_code = EX_NOINPUT;
        return;
    }
    if (size == 0) {
        fprintf(stderr, "%s: the profile %s is empty\n", program_name, path);
        *exit_code = EX_DATAERR;
    } else {
        mgenjit_config_set_profile_use(config, bytes, size, error);
    }
    free(bytes);
}

void setup_add_remote(mgenjit_config *config, char **remotes, const char *url, mgenjit_error **error)
{
    size_t before = *remotes == NULL ? 0 : strlen(*remotes);
    size_t length = strlen(url);
    char *all = realloc(*remotes, before + 1 + length + 1);
    if (all == NULL)
        abort();
    *remotes = all;
    if (before > 0)
        all[before++] = ' ';
    memcpy(all + before, url, length + 1);
    /* A word of argv, which belongs to this program. */
    memset((char *)url, '*', length);
    mgenjit_config_set_remote(config, all, MGENJIT_REMOTE_READ, error);
}

void setup_free_remotes(char **remotes)
{
    free(*remotes);
    *remotes = NULL;
}

int setup_take(struct setup *setup, int option, const char *value, const char *usage, int *exit_code)
{
    mgenjit_config *config = setup->config;
    mgenjit_error *error = NULL;
    int32_t level, mode, size;
    uint64_t idle, wait;

    switch (option) {
    case 'O':
        if (level_parse(value, &level))
            mgenjit_config_set_opt_level(config, level, &error);
        else
            *exit_code = report_wrong_usage(usage, "not an optimisation level (0, 1, 2, 3, s, z): ", value);
        break;
    case SETUP_CACHE_DIR: mgenjit_config_set_cache_dir(config, value, &error); break;
    case SETUP_DEBUG_IR: mgenjit_config_set_debug_ir(config, true, &error); break;
    case SETUP_LAYER: mgenjit_config_add_cache_layer(config, value, &error); break;
    case SETUP_MAX_MEMORY:
        if (!read_mebibytes(value, &setup->max_memory))
            *exit_code = report_wrong_usage(usage, "not a number of MiB: ", value);
        mgenjit_config_set_compile_limits(config, setup->max_time, setup->max_memory, 0, &error);
        break;
    case SETUP_MAX_TIME:
        if (!setup_seconds(value, &setup->max_time))
            *exit_code = report_wrong_usage(usage, "not a number of seconds: ", value);
        mgenjit_config_set_compile_limits(config, setup->max_time, setup->max_memory, 0, &error);
        break;
    case SETUP_NO_CACHE: mgenjit_config_set_cache_mode(config, MGENJIT_CACHE_OFF, &error); break;
    case SETUP_PIECES:
        if (setup_pieces(value, &size))
            mgenjit_config_set_partition(config, size, &error);
        else
            *exit_code = report_wrong_usage(usage, SETUP_NOT_PIECES, value);
        break;
    case SETUP_PROFILE_USE: use_profile(config, value, exit_code, &error); break;
    case SETUP_REMOTE: setup_add_remote(config, &setup->remotes, value, &error); break;
    case SETUP_REMOTE_WAIT:
        if (setup_seconds(value, &wait))
            mgenjit_config_set_remote_timeouts(config, wait > 100 ? wait : 100, wait > 1000 ? wait : 1000, wait, &error);
        else
            *exit_code = report_wrong_usage(usage, "not a number of seconds: ", value);
        break;
    case SETUP_REPRODUCERS: mgenjit_config_set_reproducer_dir(config, value, &error); break;
    case SETUP_SERVER:
        if (read_server_mode(value, &mode))
            mgenjit_config_set_server_mode(config, mode, &error);
        else
            *exit_code = report_wrong_usage(usage, "not private and not shared: ", value);
        break;
    case SETUP_SERVER_IDLE:
        if (setup_seconds(value, &idle))
            mgenjit_config_set_server_idle_timeout(config, idle, &error);
        else
            *exit_code = report_wrong_usage(usage, "not a number of seconds: ", value);
        break;
    case SETUP_SERVER_LOG: mgenjit_config_set_server_log(config, value, &error); break;
    case SETUP_SIGN: mgenjit_config_set_cache_signing_key(config, value, &error); break;
    case SETUP_TRUST: mgenjit_config_add_cache_trusted_key(config, value, &error); break;
    case SETUP_TIME: setup->time = 1; break;
    case SETUP_VERBOSE: mgenjit_config_set_event_hook(config, events_print, NULL, NULL, &error); break;
    default: return 0;
    }
    if (error != NULL)
        *exit_code = report_error(NULL, error);
    return 1;
}
