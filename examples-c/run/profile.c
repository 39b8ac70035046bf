#define _DEFAULT_SOURCE

#include "profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/files.h"
#include "common/report.h"

static struct {
    const char *path;
    const mgenjit_config *config;
    mgenjit_module **modules;
    int count;
} pending;

/* Adds a profile to the sum, which it takes over. Returns NULL if that cannot be done. */
static mgenjit_blob *add(mgenjit_blob *sum, const void *bytes, size_t size, mgenjit_error **error)
{
    mgenjit_blob *both = NULL;
    mgenjit_profile_merge(pending.config, mgenjit_blob_data(sum), mgenjit_blob_size(sum), bytes, size, &both, error);
    mgenjit_blob_free(sum);
    return both;
}

/* The profile of all modules, or NULL. */
static mgenjit_blob *counted(mgenjit_error **error)
{
    mgenjit_blob *sum = NULL;
    for (int i = 0; i < pending.count; i++) {
        mgenjit_blob *profile = NULL;
        if (pending.modules[i] == NULL)
            continue;
        if (mgenjit_module_profile(pending.modules[i], &profile, error) != MGENJIT_STATUS_OK) {
            mgenjit_blob_free(sum);
            return NULL;
        }
        if (sum == NULL) {
            sum = profile;
            continue;
        }
        sum = add(sum, mgenjit_blob_data(profile), mgenjit_blob_size(profile), error);
        mgenjit_blob_free(profile);
        if (sum == NULL)
            return NULL;
    }
    return sum;
}

static int cannot_write(void)
{
    fprintf(stderr, "%s: the profile cannot be written to %s: %s\n", program_name, pending.path, strerror(errno));
    return EX_CANTCREAT;
}

/* Adds the profile to what the file has, while nobody else does. */
static int add_to_file(mgenjit_blob *sum, int file)
{
    mgenjit_error *error = NULL;
    size_t size;
    char *before = flock(file, LOCK_EX) == 0 ? read_to_end(file, &size) : NULL;
    if (before == NULL) {
        mgenjit_blob_free(sum);
        return cannot_write();
    }
    if (size > 0)
        sum = add(sum, before, size, &error);
    free(before);
    if (sum == NULL)
        return report_error(pending.path, error);
    int exit_code = 0;
    if (lseek(file, 0, SEEK_SET) != 0 || ftruncate(file, 0) != 0
        || !write_all(file, mgenjit_blob_data(sum), mgenjit_blob_size(sum)))
        exit_code = cannot_write();
    mgenjit_blob_free(sum);
    return exit_code;
}

int profile_write(void)
{
    mgenjit_error *error = NULL;
    if (pending.path == NULL)
        return 0;
    mgenjit_blob *sum = counted(&error);
    int exit_code = 0;
    if (error != NULL) {
        exit_code = report_error(NULL, error);
    } else if (sum != NULL) {
        int file = open(pending.path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (file < 0) {
            exit_code = cannot_write();
            mgenjit_blob_free(sum);
        } else {
            exit_code = add_to_file(sum, file);
            close(file);
        }
    }
    pending.path = NULL;
    return exit_code;
}

static void at_exit(void)
{
    /* Which status the process ends with is the program's business. */
    profile_write();
}

void profile_write_at_exit(const char *path, const mgenjit_config *config, mgenjit_module **modules, int count)
{
    pending.path = path;
    pending.config = config;
    pending.modules = modules;
    pending.count = count;
    atexit(at_exit);
}
