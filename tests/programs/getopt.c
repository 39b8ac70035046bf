/* Prints its options and operands, as getopt_long finds them, in two rounds. */
#include <getopt.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    static const struct option options[] = {{"all", no_argument, NULL, 'A'}, {"name", required_argument, NULL, 'N'}, {0}};
    int option;
    opterr = 0;
    while ((option = getopt(argc, argv, "+abn:")) != -1)
        printf("%c ", option);
    printf("%d\n", optind);
    optind = 0;
    while ((option = getopt_long(argc, argv, "abn:", options, NULL)) != -1)
        printf("%c %s, ", option, optarg != NULL ? optarg : "");
    for (; optind < argc; optind++)
        printf("%s ", argv[optind]);
    puts("");
    return 0;
}
