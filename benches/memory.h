#ifndef MEMORY_H
#define MEMORY_H

/*
 * Prints how many KiB of memory this process has, and the end of the line: at most so far (VmHWM); now (Rss); now, of
 * what others have too a share (Pss); what no file holds (Anonymous). 0 for what cannot be read.
 */
void print_memory(void);

#endif
