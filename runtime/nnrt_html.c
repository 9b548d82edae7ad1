/* SPDX-License-Identifier: MIT */
/* nnrt_html.c: the frame of a page, its style, and text that is safe in it. */
#include <math.h>
#include <string.h>

#include "nnrt_page.h"

/* Light first; what asks for dark gets the second set. Colours 0 to 4 differ for the colour-blind too (after
 * Okabe and Ito, 2008), and have a contrast of 4.5 and above with the card that they stand on. */
static const char html_style[] =
    ":root{color-scheme:light dark;--bg:#f6f7f8;--card:#fff;--ink:#1b1f24;--soft:#59616b;"
    "--line:#d5dae0;--grid:#e6e9ed;--on:#fff;--c0:#0b62a8;--c1:#b5460f;--c2:#08745a;--c3:#8b3f9c;"
    "--c4:#806000;--c5:#68707a;--good:#08745a;--bad:#b3261e;--mark:#fde2df}\n"
    "@media (prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1d2126;--ink:#e7eaee;"
    "--soft:#a6afb9;--line:#3a4149;--grid:#2c3238;--on:#0e1114;--c0:#6fb5ee;--c1:#f79a62;"
    "--c2:#5ccba5;--c3:#d39be3;--c4:#dcbb53;--c5:#97a1ac;--good:#5ccba5;--bad:#ff9189;"
    "--mark:#5b2622}}\n"
    "*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 "
    "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;"
    "-webkit-text-size-adjust:100%}\n"
    "main{max-width:1120px;margin:0 auto;padding:24px 16px 40px}h1{font-size:1.7rem;margin:0 0 4px;"
    "line-height:1.2;overflow-wrap:anywhere}h2{font-size:1.25rem;margin:0 0 4px}"
    "h3{font-size:1rem;margin:20px 0 4px}\n"
    "p{margin:4px 0 12px;max-width:75ch;overflow-wrap:anywhere}.soft,footer{color:var(--soft)}"
    "section{margin:32px 0 0}footer{margin-top:40px;font-size:.85rem}\n"
    ".cards,.grid,.samples{display:grid;gap:12px}.cards{grid-template-columns:"
    "repeat(auto-fill,minmax(150px,1fr));margin:20px 0}\n"
    ".grid{grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr))}"
    ".top{align-items:start}.small{grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),"
    "1fr))}"
    ".samples{grid-template-columns:repeat(auto-fill,minmax(min(100%,230px),1fr))}\n"
    ".grid>*{min-width:0}.card,figure,.scroll,.sample{background:var(--card);border:1px solid "
    "var(--line);"
    "border-radius:8px;margin:0;padding:10px 12px}.card b{display:block;font-size:1.3rem;"
    "font-weight:600;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}"
    ".card span{color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}\n"
    "figcaption{font-weight:600;overflow-wrap:anywhere}figcaption span{font-weight:400;"
    "color:var(--soft);font-size:.85rem;margin-left:8px}svg{display:block;width:100%;height:auto}"
    "svg text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;"
    "fill:var(--soft)}.small svg text{font-size:14px}svg .ink{fill:var(--ink)}svg "
    ".on{fill:var(--on)}svg .b{font-weight:600}\n"
    ".scroll{overflow-x:auto;margin-bottom:12px}.kernels tbody "
    "th{min-width:15em}.tall{max-height:620px;overflow:auto}table{border-"
    "collapse:collapse;font-size:.9rem;"
    "font-variant-numeric:tabular-nums}th,td{padding:4px 10px 4px 0;text-align:left;"
    "vertical-align:top;border-bottom:1px solid var(--grid)}thead th{color:var(--soft);"
    "font-weight:600;white-space:nowrap}tr:last-child>*{border-bottom:0}"
    ".n{text-align:right;white-space:nowrap}td.w{overflow-wrap:anywhere;min-width:12em}"
    "tbody th{font-weight:400;overflow-wrap:break-word;max-width:24em}.pairs th{color:var(--soft);"
    "white-space:nowrap}.pairs td{overflow-wrap:anywhere;min-width:10em}\n"
    ".bar{display:block;width:120px;height:10px;background:var(--grid);border-radius:2px;"
    "margin-top:6px}.bar i{display:block;height:10px;border-radius:2px;background:var(--c0)}\n"
    ".drawn{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr))}\n"
    ".drawn figure{margin:0}.drawn img{display:block;max-width:100%;height:auto}\n"
    ".sample{font-size:.9rem;overflow-wrap:anywhere}.sample img{display:block;width:100%;"
    "max-width:160px;height:auto;image-rendering:pixelated;margin:0 0 6px;border:1px solid "
    "var(--grid)}"
    ".sample .two{display:flex;gap:8px}.sample .two>div{flex:1;min-width:0}"
    ".sample q{display:block;quotes:none;margin-bottom:6px}.sample dl{margin:0;display:grid;"
    "grid-template-columns:auto 1fr;gap:0 8px}.sample dt{color:var(--soft)}.sample dd{margin:0}\n"
    ".tag{font-weight:600}.bad{color:var(--bad)}.good{color:var(--good)}"
    "mark{background:var(--mark);color:var(--ink);border-bottom:2px solid var(--bad)}"
    "details{margin-top:12px}summary{cursor:pointer}a{color:var(--c0)}\n"
    ".s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}"
    ".s4{stroke:var(--c4)}.s5{stroke:var(--c5)}.f0{fill:var(--c0)}.f1{fill:var(--c1)}"
    ".f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}"
    ".grid-line{stroke:var(--grid)}.axis{stroke:var(--soft)}.hover{fill:transparent}"
    ".frame{fill:none;stroke:var(--line)}.box{fill:var(--card);stroke-width:1.5}"
    ".edge{fill:none;stroke:var(--soft);stroke-width:1.2}.tip{fill:var(--soft)}\n"
    "@media (max-width:480px){figure svg text,.small svg text{font-size:15px}}\n"
    "@media print{:root{--bg:#fff}body{font-size:11px}main{max-width:none;padding:0}"
    "figure,.card,.sample,tr{break-inside:avoid}details{display:none}.scroll{overflow:visible;max-"
    "height:none}}\n";

/* --- text ------------------------------------------------------------------------------------- */

/* Bytes of the character that begins here, of those that XML has; 0: none does. */
static size_t html_character(const unsigned char *at, size_t n)
{
    size_t length = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : 4;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (length == 1)
        return at[0] >= 0x20 ? at[0] != 0x7F : at[0] == '\t' || at[0] == '\n';
    if (length > n || at[0] < 0xC2 || at[0] > 0xF4)
        return 0;
    uint32_t c = at[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        c = c << 6 | (at[i] & 0x3Fu);
    }
    /* Directions that a text might turn around are left out too: they would change what stands beside it. */
    int turns = (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
    int none = (c >= 0xD800 && c <= 0xDFFF) || (c >= 0x80 && c < 0xA0) || (c & 0xFFFE) == 0xFFFE;
    return c < least[length] || c > 0x10FFFF || none || turns ? 0 : length;
}

void nnrt_html_put(FILE *f, const char *bytes, size_t n)
{
    const unsigned char *at = (const unsigned char *)bytes;
    for (size_t i = 0, step; i < n; i += step) {
        size_t length = html_character(at + i, n - i);
        step = length ? length : 1;
        switch (length == 1 ? at[i] : 0) {
        case '&': fputs("&amp;", f); break;
        case '<': fputs("&lt;", f); break;
        case '>': fputs("&gt;", f); break;
        case '"': fputs("&quot;", f); break;
        case '\'': fputs("&#39;", f); break;
        default:
            if (length)
                fwrite(at + i, 1, length, f);
            else
                fputs("\xEF\xBF\xBD", f);
        }
    }
}

void nnrt_html_say(FILE *f, const char *text)
{
    if (text)
        nnrt_html_put(f, text, strlen(text));
}

void nnrt_html_short(FILE *f, const char *text, int most)
{
    size_t n = 0;
    int seen = 0;
    for (; text[n]; n++)
        if (((unsigned char)text[n] >> 6) != 2 && seen++ == most)
            break;
    nnrt_html_put(f, text, n);
    if (text[n])
        fputs("\xE2\x80\xA6", f);
}

/* --- the frame -------------------------------------------------------------------------------- */

void nnrt_html_begin(FILE *f, const char *title, const char *lead)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
          "<meta charset=\"utf-8\" />\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n<title>",
          f);
    nnrt_html_say(f, title);
    fputs("</title>\n<style>\n", f);
    fputs(html_style, f);
    fputs("</style>\n</head>\n<body>\n<main>\n<h1>", f);
    nnrt_html_say(f, title);
    fputs("</h1>\n<p class=\"soft\">", f);
    nnrt_html_say(f, lead);
    fputs("</p>\n", f);
}

void nnrt_html_end(FILE *f, const char *made_by)
{
    fputs("<footer>", f);
    nnrt_html_say(f, made_by);
    fputs("</footer>\n</main>\n</body>\n</html>\n", f);
}

void nnrt_html_section(FILE *f, const char *id, const char *title)
{
    fprintf(f, "<section id=\"%s\">\n<h2>", id);
    nnrt_html_say(f, title);
    fputs("</h2>\n", f);
}

void nnrt_html_section_end(FILE *f)
{
    fputs("</section>\n", f);
}

void nnrt_html_card(FILE *f, const char *what, const char *value)
{
    fputs("<div class=\"card\"><b>", f);
    nnrt_html_say(f, value);
    fputs("</b><span>", f);
    nnrt_html_say(f, what);
    fputs("</span></div>\n", f);
}

void nnrt_html_pair(FILE *f, const char *what, const char *value)
{
    fputs("<tr><th scope=\"row\">", f);
    nnrt_html_say(f, what);
    fputs("</th><td>", f);
    nnrt_html_say(f, value);
    fputs("</td></tr>\n", f);
}

/* --- numbers ---------------------------------------------------------------------------------- */

const char *nnrt_html_amount(char *text, double value, const char *unit)
{
    static const char *const prefix[] = {"", "k", "M", "G", "T", "P"};
    int i = 0;
    while (fabs(value) >= 999.5 && i < 5) {
        value /= 1000;
        i++;
    }
    int digits = fabs(value) >= 99.95 || i == 0 || value == floor(value) ? 0
                 : fabs(value) >= 9.995                                  ? 1
                                                                         : 2;
    if (i == 0 && value != floor(value))
        snprintf(text, NNRT_AMOUNT, "%.3g%s%s", value, *unit ? " " : "", unit);
    else
        snprintf(text, NNRT_AMOUNT, "%.*f%s%s%s", digits, value, *unit || i ? " " : "", prefix[i],
                 unit);
    return text;
}

const char *nnrt_html_seconds(char *text, double s)
{
    if (s >= 3600)
        snprintf(text, NNRT_AMOUNT, "%.0f h %02.0f min", floor(s / 3600),
                 floor(fmod(s, 3600) / 60));
    else if (s >= 60)
        snprintf(text, NNRT_AMOUNT, "%.0f min %02.0f s", floor(s / 60), floor(fmod(s, 60)));
    else if (s >= 0.9995)
        snprintf(text, NNRT_AMOUNT, "%.3g s", s);
    else if (s >= 0.9995e-3)
        snprintf(text, NNRT_AMOUNT, "%.3g ms", s * 1e3);
    else if (s > 0 && s < 0.9995e-6)
        snprintf(text, NNRT_AMOUNT, "%.3g ns", s * 1e9);
    else
        snprintf(text, NNRT_AMOUNT, "%.3g \xC2\xB5s", s * 1e6);
    return text;
}
