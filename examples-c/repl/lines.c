/*
 * libedit is loaded when somebody types, so that no other command needs it. Its interface is that of readline, whose names
 * and types are written here: no header is needed either.
 */
#define _GNU_SOURCE

#include "lines.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "common/files.h"
#include "guard.h"
#include "library.h"
#include "repl.h"
#include "scan.h"

/* What is kept of the history. */
enum { HISTORY = 1000 };

typedef char *generator(const char *text, int state);
typedef char **completion(const char *text, int start, int end);

static struct {
    char *(*readline)(const char *prompt);
    int (*add_history)(const char *line);
    void (*using_history)(void);
    void (*stifle_history)(int max);
    char **(*matches)(const char *text, generator *next);
    completion **attempted;
    char **line_buffer;
    const char **name;
    const char **breaks;
    int *is_over;
    int *append_character;
    int (**getc)(FILE *file);
} edit;

static int is_edited;
static char history[PATH_SIZE];

static int find(void *library, const char *name, void *symbol)
{
    void *found = dlsym(library, name);
    memcpy(symbol, &found, sizeof found);
    return found != NULL;
}

static int find_libedit(void)
{
    void *library = dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        library = dlopen("libedit.so.0", RTLD_NOW | RTLD_LOCAL);
    return library != NULL && find(library, "readline", &edit.readline) && find(library, "add_history", &edit.add_history)
           && find(library, "using_history", &edit.using_history)
           && find(library, "stifle_history", &edit.stifle_history)
           && find(library, "rl_completion_matches", &edit.matches)
           && find(library, "rl_attempted_completion_function", &edit.attempted)
           && find(library, "rl_line_buffer", &edit.line_buffer) && find(library, "rl_readline_name", &edit.name)
           && find(library, "rl_basic_word_break_characters", &edit.breaks)
           && find(library, "rl_attempted_completion_over", &edit.is_over)
           && find(library, "rl_completion_append_character", &edit.append_character)
           && find(library, "rl_getc_function", &edit.getc);
}

const char *state_folder(void)
{
    static char folder[PATH_SIZE];
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (folder[0] != '\0')
        return folder;
    if (state != NULL && state[0] == '/')
        path_join(folder, state, "mgenjit");
    else if (home != NULL && home[0] == '/')
        path_join(folder, home, ".local/state/mgenjit");
    if (folder[0] == '\0')
        return NULL;
    for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(folder, 0700);
        *slash = '/';
    }
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        folder[0] = '\0';
    return folder[0] != '\0' ? folder : NULL;
}

/* The next name that fits, of commands or of what can be called and read. */
static char *next_match(const char *text, int state)
{
    static size_t place;
    static int library_place;
    const int has_sigil = text[0] == '@';
    const size_t length = strlen(text);
    if (state == 0) {
        place = 0;
        library_place = 0;
    }
    while (text[0] == ':' && command_name((int)place) != NULL) {
        const char *name = command_name((int)place++);
        if (strncmp(name, text, length) == 0)
            return strdup(name);
    }
    while (text[0] != ':' && place < repl.session.count) {
        const struct entity *entity = repl.session.entities[place++];
        if (entity->name[0] == '@' && strncmp(entity->name + !has_sigil, text, length) == 0)
            return strdup(entity->name + !has_sigil);
    }
    while (text[0] != ':' && library_name(library_place) != NULL) {
        struct buffer name = {NULL, 0, 0};
        buffer_format(&name, "@%s", library_name(library_place++));
        /* What was used is in the session. */
        int fits = session_find(&repl.session, buffer_text(&name)) == NULL
                   && strncmp(buffer_text(&name) + !has_sigil, text, length) == 0;
        char *match = fits ? strdup(buffer_text(&name) + !has_sigil) : NULL;
        buffer_free(&name);
        if (match != NULL)
            return match;
    }
    return NULL;
}

/* Of a file, where a command takes one; libedit knows how if this finds nothing. */
static char **complete(const char *text, int start, int end)
{
    static const char *const takers[] = {":load ", ":reload ", ":export "};
    const char *line = *edit.line_buffer != NULL ? *edit.line_buffer : "";
    (void)end;
    for (size_t i = 0; i < sizeof takers / sizeof takers[0]; i++)
        if (strncmp(line, takers[i], strlen(takers[i])) == 0)
            return NULL;
    *edit.is_over = 1;
    *edit.append_character = text[0] == ':' ? ' ' : '\0';
    return text[0] == ':' && start > 0 ? NULL : edit.matches(text, next_match);
}

/* The history is plain text, so that libedit's version does not matter, and each line is written when it was typed. */
static void remember(const char *line)
{
    /* Somebody else's history is not for others to read. */
    int file = history[0] != '\0' ? open(history, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    struct buffer text = {NULL, 0, 0};
    if (file < 0)
        return;
    buffer_format(&text, "%s\n", line);
    if (write(file, buffer_text(&text), text.length) < 0)
        history[0] = '\0';
    buffer_free(&text);
    close(file);
}

/* Adds a line to what the arrow keys show. Returns 0 if it was the last one, too. */
static int add_line(const char *line)
{
    static char *last;
    if (*line == '\0' || (last != NULL && strcmp(line, last) == 0))
        return 0;
    edit.add_history(line);
    free(last);
    last = copy_text(line);
    return 1;
}

static void read_history(void)
{
    char *line = NULL;
    size_t room = 0, lines = 0;
    ssize_t length;
    FILE *file = fopen(history, "r");
    if (file == NULL)
        return;
    while ((length = getline(&line, &room, file)) > 0) {
        line[length - (line[length - 1] == '\n')] = '\0';
        lines += (size_t)add_line(line);
    }
    free(line);
    fclose(file);
    if (lines < 2 * HISTORY)
        return;
    /* It begins anew. */
    char old[PATH_SIZE + 4];
    snprintf(old, sizeof old, "%s.old", history);
    rename(history, old);
}

/* One byte that is typed. Returns 0 at the end of the input, and after a Ctrl-C, however early it comes. */
static int next_byte(char *byte)
{
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    sigset_t interrupt, before;
    ssize_t length = -1;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    /* A Ctrl-C is let in while this waits, and at no other time: else it could come between the question and the wait. */
    pthread_sigmask(SIG_BLOCK, &interrupt, &before);
    while (!guard_is_interrupted()) {
        if (ppoll(&input, 1, NULL, &before) > 0) {
            length = read(STDIN_FILENO, byte, 1);
            break;
        }
        if (errno != EINTR)
            break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return length == 1;
}

/*
 * The next key, or -1: there is none. The kernel makes a zero of a Ctrl-D that is typed before libedit has the terminal. To libedit
 * a zero means that the next key is taken as it is, and then the line is not empty, and no Ctrl-D ends the session.
 */
static int next_key(FILE *file)
{
    enum { CTRL_D = 4 };
    mbstate_t state;
    char byte;
    (void)file;
    memset(&state, 0, sizeof state);
    while (next_byte(&byte)) {
        wchar_t key = 0;
        size_t used = mbrtowc(&key, &byte, 1, &state);
        if (used == 0)
            return CTRL_D;
        if (used == 1)
            return (int)key;
        /* What is no character of this locale is taken byte by byte. */
        if (used == (size_t)-1)
            return (unsigned char)byte;
    }
    return -1;
}

void lines_start(int is_interactive)
{
    if (!is_interactive || !find_libedit())
        return;
    is_edited = 1;
    *edit.name = "mgenjit";
    *edit.getc = next_key;
    *edit.attempted = complete;
    *edit.breaks = " \t\n\"\\'`()[]{},;=+*%<>";
    edit.using_history();
    edit.stifle_history(HISTORY);
    const char *folder = state_folder();
    if (folder == NULL)
        return;
    path_join(history, folder, "repl-history");
    read_history();
}

/* A line that is not edited. */
static enum line_end read_plain(const char *prompt, char **line)
{
    size_t room = 0;
    *line = NULL;
    if (repl.is_interactive)
        fputs(prompt, stdout);
    fflush(stdout);
    errno = 0;
    ssize_t length = getline(line, &room, stdin);
    if (length >= 0) {
        if (length > 0 && (*line)[length - 1] == '\n')
            (*line)[length - 1] = '\0';
        return LINE_READ;
    }
    free(*line);
    *line = NULL;
    if (errno == EINTR) {
        clearerr(stdin);
        return LINE_INTERRUPTED;
    }
    return LINE_NO_MORE;
}

enum line_end lines_read(const char *prompt, char **line)
{
    guard_calm();
    fflush(stdout);
    if (!is_edited) {
        enum line_end end = read_plain(prompt, line);
        return end == LINE_INTERRUPTED && !guard_is_interrupted() ? LINE_NO_MORE : end;
    }
    *line = edit.readline(prompt);
    if (*line == NULL)
        return guard_is_interrupted() ? LINE_INTERRUPTED : LINE_NO_MORE;
    if (add_line(*line))
        remember(*line);
    return LINE_READ;
}

int lines_are_waiting(void)
{
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    return poll(&input, 1, 0) > 0 && (input.revents & POLLIN) != 0;
}
