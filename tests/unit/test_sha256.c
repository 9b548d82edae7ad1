/* SPDX-License-Identifier: MIT */
/* test_sha256.c: guards SHA-256: the examples of FIPS 180 and each length around a block's end. */
#include "base/base.h"

#include <criterion/criterion.h>
#include <string.h>

Test(sha256, known_answers)
{
    static const struct {
        const char *text, *hex;
    } row[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char hex[65];
    for (int i = 0; i < COUNT(row); i++) {
        sha256_hex(row[i].text, strlen(row[i].text), hex);
        cr_expect_str_eq(hex, row[i].hex);
    }
}

Test(sha256, a_million_letters)
{
    static char text[1000000];
    char hex[65];
    memset(text, 'a', sizeof text);
    sha256_hex(text, sizeof text, hex);
    cr_expect_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* The digest of the digests of 0, 1, ..., 299 letters x: each way the tail may lie. */
Test(sha256, every_length)
{
    static char text[300], all[300 * 64];
    char hex[65];
    memset(text, 'x', sizeof text);
    for (size_t n = 0; n < sizeof text; n++) {
        sha256_hex(text, n, hex);
        memcpy(all + 64 * n, hex, 64);
    }
    sha256_hex(all, sizeof all, hex);
    cr_expect_str_eq(hex, "3d495ac8356e73941898cd69a28db2416d82a39572f771b3306e99afe7e013e0");
}
