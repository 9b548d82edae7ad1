/* SPDX-License-Identifier: MIT */
/* targets.c: the rows of targets.def, and `native`: the CPU that nncc runs on. */
#include "targets.h"

#include <stdio.h>
#include <string.h>

static const Target rows[] = {
#define TARGET(...) {__VA_ARGS__},
#include "targets.def"
#undef TARGET
};

int target_count(void)
{
    return (int)(sizeof rows / sizeof rows[0]);
}

const Target *target_at(int i)
{
    return &rows[i];
}

static const Target *row_named(const char *name)
{
    for (int i = 0; i < target_count(); i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

/* Bytes of a cache, as Linux tells; `otherwise` where it does not. */
static int cache_bytes(int index, int otherwise)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
    FILE *f = fopen(path, "r");
    int kilobytes = 0;
    if (f && fscanf(f, "%d", &kilobytes) != 1)
        kilobytes = 0;
    if (f)
        fclose(f);
    return kilobytes > 0 ? kilobytes << 10 : otherwise;
}

static const char *host_row(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return "x86-64-v4";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "x86-64-v3";
    return "x86-64-v2";
#elif defined(__aarch64__)
    return "armv8-a";
#elif defined(__riscv)
    return "rv64gc";
#else
    return "generic";
#endif
}

static const Target *native(void)
{
    static Target t; /* the same at every call */
    t = *row_named(host_row());
    t.name = "native";
    t.flags = t.vector_bytes == 64 ? "-march=native -mprefer-vector-width=512" : "-march=native";
    t.l1 = cache_bytes(0, t.l1);
    t.l2 = cache_bytes(2, t.l2);
    return &t;
}

const Target *target_find(const char *name)
{
    return strcmp(name, "native") == 0 ? native() : row_named(name);
}

void target_cpu(char *name, int size)
{
    static const char *const keys[] = {"model name", "CPU part", "uarch", "Model"};
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(name, (size_t)size, "unknown");
    while (f && fgets(line, sizeof line, f))
        for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++) {
            const char *colon = strchr(line, ':');
            if (!colon || colon[1] != ' ' || strncmp(line, keys[i], strlen(keys[i])) != 0)
                continue;
            snprintf(name, (size_t)size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            fclose(f);
            return;
        }
    if (f)
        fclose(f);
}
