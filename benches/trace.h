#ifndef BENCHES_TRACE_H
#define BENCHES_TRACE_H

/*
 * Counts what one more round of a program costs: it is run under a tracer, with `rounds` and with twice as
 * many as its argument number `position`, and the difference is divided. Each prints a line, also if the
 * tracer is missing. `folder` is for their reports.
 */
void print_instructions(const char *const *argv, int position, int rounds, const char *folder);
void print_system_calls(const char *const *argv, int position, int rounds, const char *folder);

#endif
