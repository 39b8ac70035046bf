// libs: -ldl

/*
 * Sections of many sizes and alignments, together and alone: in memory and in a library that the system loads,
 * everything has its value and its alignment.
 */
#include "exporting.h"

#include <dlfcn.h>
#include <elf.h>
#include <stdint.h>

enum { TEXT, CONSTANT, DATA, ZEROS, THREAD_DATA, THREAD_ZEROS, ADDRESSES, CONSTRUCTOR, KINDS };

static const char *const names[KINDS] = { "text", "constant", "data", "zeros", "thread_data", "thread_zeros",
                                          "addresses", "constructor" };

typedef struct part {
    int is_there;
    unsigned size, align;
} part;

typedef part layout[KINDS];

static void declare(FILE *ir, int kind, part part)
{
    const int is_zero = kind == ZEROS || kind == THREAD_ZEROS;
    switch (kind) {
    case TEXT:
        fprintf(ir, "define i32 @text() align %u {\n  ret i32 7\n}\n", part.align);
        return;
    case CONSTRUCTOR:
        fprintf(ir, "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, "
                    "ptr @construct, ptr null }]\n"
                    "@constructor = global i8 0\ndefine internal void @construct() {\n  store i8 90, ptr @constructor\n"
                    "  ret void\n}\n");
        return;
    case ADDRESSES:
        fprintf(ir, "@addresses = constant { ptr, [%u x i8] } { ptr @addresses, [%u x i8] ", part.size, part.size);
        break;
    default:
        fprintf(ir, "@%s = %s%s [%u x i8] ", names[kind],
                kind == THREAD_DATA || kind == THREAD_ZEROS ? "thread_local " : "",
                kind == CONSTANT ? "constant" : "global", part.size);
    }
    if (is_zero || part.size == 0)
        fprintf(ir, "zeroinitializer");
    else {
        fprintf(ir, "c\"");
        for (unsigned i = 0; i < part.size; i++)
            fputc('Z', ir);
        fprintf(ir, "\"");
    }
    fprintf(ir, "%s, align %u\n", kind == ADDRESSES ? " }" : "", part.align);
}

static char *to_ir(const layout layout)
{
    char *text = NULL;
    size_t length = 0;
    FILE *ir = open_memstream(&text, &length);
    CHECK(ir != NULL);
    for (int kind = 0; kind < KINDS; kind++)
        if (layout[kind].is_there)
            declare(ir, kind, layout[kind]);
    CHECK(fclose(ir) == 0);
    return text;
}

static void check_part(const char *ir, const char *where, int kind, part part, const unsigned char *address)
{
    const unsigned size = kind == CONSTRUCTOR ? 1 : part.size;
    if (address == NULL)
        check_failed(__FILE__, __LINE__, "%s has no %s:\n%s", where, names[kind], ir);
    if (kind != CONSTRUCTOR && (uintptr_t)address % part.align != 0)
        check_failed(__FILE__, __LINE__, "%s: %s is at %p:\n%s", where, names[kind], (const void *)address, ir);
    if (kind == TEXT) {
        int (*function)(void);
        memcpy(&function, &address, sizeof function);
        CHECK_INT(7, function());
        return;
    }
    if (kind == ADDRESSES) {
        const void *itself;
        memcpy(&itself, address, sizeof itself);
        CHECK(itself == address);
        address += sizeof itself;
    }
    for (unsigned i = 0; i < size; i++)
        if (address[i] != (kind == ZEROS || kind == THREAD_ZEROS ? 0 : 'Z'))
            check_failed(__FILE__, __LINE__, "%s: byte %u of %s is %u:\n%s", where, i, names[kind], address[i], ir);
}

/* What the system's loaders of all ages want of a segment. */
static void check_headers(const char *ir, const mgenjit_blob *library)
{
    const unsigned char *bytes = mgenjit_blob_data(library);
    Elf64_Ehdr header;
    memcpy(&header, bytes, sizeof header);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, bytes + header.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type != PT_LOAD && segment.p_type != PT_TLS)
            continue;
        if ((segment.p_vaddr - segment.p_offset) % segment.p_align != 0
            || (segment.p_type == PT_LOAD && segment.p_vaddr % 4096 != 0
                && segment.p_offset / 4096 * 4096 >= mgenjit_blob_size(library)))
            check_failed(__FILE__, __LINE__, "segment %u is at %#lx of the file, %#lx of memory:\n%s", i,
                         (unsigned long)segment.p_offset, (unsigned long)segment.p_vaddr, ir);
    }
}

static void check_layout(mgenjit_executor *executor, const layout layout)
{
    static int number;
    char *ir = to_ir(layout), name[64], *path;
    mgenjit_module *module = add(executor, ir);
    mgenjit_blob *blob = export_blob(module, MGENJIT_EXPORT_SHARED_LIBRARY, NULL);
    void *library;
    FILE *file;
    for (int kind = 0; kind < KINDS; kind++)
        if (layout[kind].is_there)
            check_part(ir, "in memory", kind, layout[kind], find(executor, names[kind]));
    check_headers(ir, blob);
    snprintf(name, sizeof name, "liblayout%d.so", number++);
    path = in_folder(name);
    file = fopen(path, "wb");
    CHECK(file != NULL && fwrite(mgenjit_blob_data(blob), mgenjit_blob_size(blob), 1, file) == 1 && fclose(file) == 0);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        check_failed(__FILE__, __LINE__, "%s:\n%s", dlerror(), ir);
    for (int kind = 0; kind < KINDS; kind++)
        if (layout[kind].is_there)
            check_part(ir, "the library", kind, layout[kind], dlsym(library, names[kind]));
    CHECK(dlclose(library) == 0 && unlink(path) == 0);
    mgenjit_blob_free(blob);
    CHECK_OK(mgenjit_module_remove(module, &failure));
    mgenjit_module_free(module);
    free(path);
    free(ir);
}

static const unsigned sizes[] = { 0, 1, 8, 4095, 4096, 4097, 20000 };
static const unsigned aligns[] = { 1, 16, 64, 4096, 65536 };

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void alone(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    for (int kind = 0; kind < CONSTRUCTOR; kind++) {
        for (size_t i = 0; i < COUNT(aligns); i++) {
            layout layout = { { 0, 0, 0 } };
            layout[kind] = (part){ 1, sizes[(i + (size_t)kind) % COUNT(sizes)], aligns[i] };
            check_layout(executor, layout);
        }
    }
    mgenjit_executor_free(executor);
}

static void together(void)
{
    mgenjit_executor *executor = new_executor(NULL);
    uint32_t random = 20;
    for (int i = 0; i < 40; i++) {
        layout layout = { { 0, 0, 0 } };
        for (int kind = 0; kind < KINDS; kind++) {
            random = random * 1664525 + 1013904223;
            layout[kind] = (part){ (random >> 28) % 3 != 0, sizes[(random >> 16) % COUNT(sizes)],
                                   aligns[(random >> 22) % COUNT(aligns)] };
        }
        check_layout(executor, layout);
    }
    mgenjit_executor_free(executor);
}

int main(void)
{
    static const check_case cases[] = { CASE(alone), CASE(together) };
    return check_cases(cases, COUNT(cases));
}
