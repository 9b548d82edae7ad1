/* SPDX-License-Identifier: MIT */
/* Guards what a plan may be told: legal values are taken, others refused with their place, the cost
 * model's stand for the rest; and the search's view of it, what was asked for in which order. */
#include "passes/choice.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static Arena *arena;
static Ctx ctx;
static Program program;
static ChoiceTable table;
static Choices given;
static char *said;
static size_t size;

static void set_up(void)
{
    arena = arena_new();
    ctx = (Ctx){.arena = arena};
    program = (Program){.ctx = &ctx, .choices = &table};
    table = (ChoiceTable){.by_key = map_new(arena),
                          .diag = {.file = "m.tune", .out = open_memstream(&said, &size)}};
    given = choices_none();
    map_set(&table.by_key, "op:3x4", &given);
}

static void tear_down(void)
{
    fclose(table.diag.out);
    free(said);
    arena_free(arena);
}

TestSuite(choice, .init = set_up, .fini = tear_down);

static void give(ChoiceKind kind, int64_t value)
{
    given.value[kind] = value;
    given.at[kind] = (Loc){7, 3, 1};
}

static void expect_said(const char *text)
{
    fflush(table.diag.out);
    cr_assert(strstr(said, text), "'%s' does not say '%s'", said, text);
}

Test(choice, without_a_table_the_cost_model_decides)
{
    program.choices = NULL;
    Choosing c = choosing_begin(&program, "op:%dx%d", 3, 4);
    cr_assert_null(c.key);
    cr_assert_eq(choose(&c, CHOICE_tile_m, 1, 8, 1, 5), 5);
    cr_assert_eq(choose(NULL, CHOICE_tile_m, 1, 8, 1, 6), 6);
    choosing_end(&c);
    cr_assert_eq(c.n, 0);
}

Test(choice, what_is_legal_is_taken)
{
    give(CHOICE_tile_n, 48);
    Choosing c = choosing_begin(&program, "op:%dx%d", 3, 4);
    cr_assert_str_eq(c.key, "op:3x4");
    cr_assert_eq(choose(&c, CHOICE_tile_n, 16, 64, 16, 32), 48);
    cr_assert_eq(choose(&c, CHOICE_tile_m, 1, 8, 1, 5), 5);
    choosing_end(&c);
    cr_assert(given.used && !c.refused);
    cr_assert_eq(table.diag.errors, 0);
    cr_assert_eq(c.n, 2);
    cr_assert(c.knobs[0].kind == CHOICE_tile_n && c.knobs[0].value == 48 && c.knobs[0].step == 16);
    cr_assert(c.knobs[1].kind == CHOICE_tile_m && c.knobs[1].value == 5 && c.knobs[1].most == 8);
}

static void refuses(int64_t value, int64_t least, int64_t most, int64_t step, const char *why)
{
    give(CHOICE_tile_n, value);
    Choosing c = choosing_begin(&program, "op:3x4");
    cr_assert_eq(choose(&c, CHOICE_tile_n, least, most, step, least), least);
    choosing_end(&c);
    cr_assert(c.refused);
    cr_assert_eq(table.diag.errors, 1);
    expect_said("m.tune:7:3: error:");
    expect_said(why);
}

Test(choice, too_small)
{
    refuses(0, 16, 64, 16, "here it can be 16, 32, ... 64");
}

Test(choice, too_large)
{
    refuses(80, 16, 64, 16, "tile_n is 80");
}

Test(choice, between_steps)
{
    refuses(40, 16, 64, 16, "tile_n is 40");
}

Test(choice, no_choice_at_all)
{
    refuses(0, 1, 1, 1, "here it can only be 1");
}

Test(choice, not_asked_for)
{
    give(CHOICE_patches, 3);
    Choosing c = choosing_begin(&program, "op:3x4");
    choosing_end(&c);
    cr_assert(c.refused);
    expect_said("patches is no choice of this product's plan");
}

Test(choice, another_product_is_not_told)
{
    give(CHOICE_tile_m, 3);
    Choosing c = choosing_begin(&program, "op:3x5");
    cr_assert_eq(choose(&c, CHOICE_tile_m, 1, 8, 1, 5), 5);
    choosing_end(&c);
    cr_assert(!given.used && !c.refused);
}

Test(choice, the_search_is_told_in_silence)
{
    FILE *out = table.diag.out;
    table.diag.out = NULL;
    give(CHOICE_tile_m, 9);
    Choosing c = choosing_begin(&program, "op:3x4");
    cr_assert_eq(choose(&c, CHOICE_tile_m, 1, 8, 1, 5), 5);
    cr_assert(c.refused);
    table.diag.out = out;
    fflush(out);
    cr_assert_eq(size, 0);
}
