#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "common/input.h"
#include "common/json.h"
#include "common/table.h"
#include "common/text.h"
#include "common/units.h"
#include "report.h"

static const struct {
    int32_t verdict;
    const char *name;
} verdicts[] = {
    {MGENJIT_VERDICT_HIT, "hit"},         {MGENJIT_VERDICT_NEVER, "never"},
    {MGENJIT_VERDICT_DIFFERS, "differs"}, {MGENJIT_VERDICT_EVICTED, "evicted"},
    {MGENJIT_VERDICT_REMOVED, "removed"}, {MGENJIT_VERDICT_DAMAGED, "damaged"},
    {MGENJIT_VERDICT_UNTRUSTED, "untrusted"},
};

static const struct {
    uint32_t bit;
    const char *name;
    const char *words;
} differences[] = {
    {MGENJIT_DIFFERS_IR, "ir", "the IR, another input, or the symbols that are kept"},
    {MGENJIT_DIFFERS_OPT_LEVEL, "opt_level", "the optimisation level"},
    {MGENJIT_DIFFERS_CPU, "cpu", "the CPU or target"},
    {MGENJIT_DIFFERS_LLVM, "llvm", "LLVM's version"},
    {MGENJIT_DIFFERS_OPTIONS, "options", "options of the code, such as --pieces"},
    {MGENJIT_DIFFERS_VERSION, "version", "libmgenjit's version or build"},
};

enum { DIFFERENCES = sizeof differences / sizeof differences[0] };

static const char *verdict_name(int32_t verdict)
{
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
        if (verdicts[i].verdict == verdict)
            return verdicts[i].name;
    return "unknown";
}

static void print_json(const mgenjit_explanation *explanation, const char *name)
{
    uint32_t different = mgenjit_explanation_differences(explanation);
    json_open(NULL);
    json_string("name", name);
    json_string("key", mgenjit_explanation_key(explanation));
    json_string("verdict", verdict_name(mgenjit_explanation_verdict(explanation)));
    json_open_array("differences");
    for (size_t i = 0; i < DIFFERENCES; i++)
        if (different & differences[i].bit)
            json_string(NULL, differences[i].name);
    json_close_array();
    json_string("nearest", mgenjit_explanation_nearest(explanation));
    json_string("cpu", mgenjit_explanation_cpu(explanation));
    json_string("remote", mgenjit_explanation_remote(explanation));
    json_number("time", mgenjit_explanation_time_us(explanation));
    json_string("message", mgenjit_explanation_message(explanation));
    json_end();
}

static void print_text(const mgenjit_explanation *explanation)
{
    int is_hit = mgenjit_explanation_verdict(explanation) == MGENJIT_VERDICT_HIT;
    const char *nearest = mgenjit_explanation_nearest(explanation);
    uint32_t different = mgenjit_explanation_differences(explanation);
    uint64_t time = mgenjit_explanation_time_us(explanation);
    char one[UNITS_SIZE], two[UNITS_SIZE], text[128];

    printf("%s%s%s ", color(is_hit ? GREEN : RED), is_hit ? "found:" : "not found:", color_end());
    text_put(stdout, mgenjit_explanation_message(explanation));
    putchar('\n');
    table_fact("key", mgenjit_explanation_key(explanation));
    const char *label = "differs";
    for (size_t i = 0; i < DIFFERENCES; i++)
        if (different & differences[i].bit) {
            table_fact(label, differences[i].words);
            label = "";
        }
    if (is_hit && nearest != NULL && strcmp(nearest, mgenjit_explanation_key(explanation)) != 0)
        table_fact("entry", nearest);
    if (!is_hit && nearest != NULL)
        table_fact("nearest", nearest);
    if (mgenjit_explanation_remote(explanation) != NULL)
        table_fact("remote", mgenjit_explanation_remote(explanation));
    if (mgenjit_explanation_cpu(explanation) != NULL)
        table_fact("for the CPU", mgenjit_explanation_cpu(explanation));
    if (time > 0) {
        snprintf(text, sizeof text, "%s, %s", format_time(one, time), format_ago(two, time));
        table_fact(nearest != NULL ? "compiled" : "gone since", text);
    }
}

/* The files as the inputs of one source. Returns an exit code. */
static int gather(const struct options *options, mgenjit_source *source)
{
    mgenjit_error *error = NULL;
    for (int i = 0; i < options->arguments.count; i++) {
        if (input_add(source, options->arguments.items[i], &error) != MGENJIT_STATUS_OK)
            return report_cache_error(error);
    }
    for (int i = 0; i < options->kept.count; i++)
        if (mgenjit_source_keep(source, options->kept.items[i], &error) != MGENJIT_STATUS_OK)
            return report_cache_error(error);
    return EXIT_DONE;
}

int command_explain(struct context *context)
{
    const struct options *options = context->options;
    const char *path = options->arguments.items[0];
    const char *name = options->name;
    mgenjit_source *source = NULL;
    mgenjit_explanation *explanation = NULL;
    mgenjit_error *error = NULL;

    if (name == NULL)
        name = input_name(path);
    if (mgenjit_source_new(name, &source, &error) != MGENJIT_STATUS_OK)
        return report_cache_error(error);
    int exit_code = gather(options, source);
    if (exit_code == EXIT_DONE
        && mgenjit_cache_explain_source(context->cache, source, &explanation, &error) != MGENJIT_STATUS_OK)
        exit_code = report_cache_error(error);
    mgenjit_source_free(source);
    if (exit_code != EXIT_DONE)
        return exit_code;
    if (options->json)
        print_json(explanation, name);
    else
        print_text(explanation);
    int is_hit = mgenjit_explanation_verdict(explanation) == MGENJIT_VERDICT_HIT;
    mgenjit_explanation_free(explanation);
    return is_hit ? EXIT_DONE : EXIT_NOT_WELL;
}
