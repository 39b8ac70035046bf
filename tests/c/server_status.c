// runs: once

/* The shared server, seen and ended through the C API: where there is none, and with wrong arguments. */
#include "servers.h"

static void runtime_folder(void)
{
    CHECK(mkdir(in_folder("runtime"), 0700) == 0 || errno == EEXIST);
    CHECK(setenv("XDG_RUNTIME_DIR", in_folder("runtime"), 1) == 0);
}

static void none_runs(void)
{
    mgenjit_server_statistics statistics = { .size = sizeof statistics, .process = 77 };
    runtime_folder();
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_server_status(&statistics, &failure));
    CHECK_MESSAGE("no shared compile server");
    CHECK_INT(77, statistics.process);
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_server_stop(0, 0, &failure));
    CHECK_STATUS(MGENJIT_STATUS_NOT_FOUND, mgenjit_server_stop(1, MGENJIT_FOREVER, &failure));
    CHECK_INT(MGENJIT_STATUS_NOT_FOUND, mgenjit_server_stop(0, 1, NULL));
    CHECK_INT(0, server_count());
}

/* It is an absolute path, and the same each time. */
static void the_socket(void)
{
    char *path = NULL, *again = NULL;
    runtime_folder();
    CHECK_OK(mgenjit_server_socket(&path, &failure));
    CHECK_OK(mgenjit_server_socket(&again, &failure));
    CHECK(path[0] == '/');
    CHECK_STRING(path, again);
    mgenjit_string_free(path);
    mgenjit_string_free(again);
}

static void wrong_arguments(void)
{
    mgenjit_server_statistics statistics = { .size = 3 };
    mgenjit_config *config = default_config();
    runtime_folder();
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_server_status(&statistics, &failure));
    CHECK_MESSAGE("statistics->size");
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_server_status(NULL, &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_server_socket(NULL, &failure));
    for (int32_t mode = -1; mode <= 3; mode++) {
        int is_one = mode == MGENJIT_SERVER_PRIVATE || mode == MGENJIT_SERVER_SHARED;
        CHECK_STATUS(is_one ? MGENJIT_STATUS_OK : MGENJIT_STATUS_INVALID_ARGUMENT,
                     mgenjit_config_set_server_mode(config, mode, &failure));
    }
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_server_idle_timeout(config, 0, &failure));
    CHECK_OK(mgenjit_config_set_server_idle_timeout(config, UINT64_MAX, &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_server_log(config, "", &failure));
    CHECK_STATUS(MGENJIT_STATUS_INVALID_ARGUMENT, mgenjit_config_set_server_log(config, "\xff", &failure));
    CHECK_OK(mgenjit_config_set_server_log(config, "-", &failure));
    CHECK_OK(mgenjit_config_set_server_log(config, NULL, &failure));
    mgenjit_config_free(config);
}

int main(void)
{
    static const check_case cases[] = { CASE(none_runs), CASE(the_socket), CASE(wrong_arguments) };
    return RUN_CASES(cases);
}
