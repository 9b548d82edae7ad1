# SPDX-License-Identifier: MIT
"""A roofline picture of a run, as SVG: each kernel a dot, under what the machine can do at most."""
import math
from html import escape

from report import plural

WIDTH, HEIGHT = 1000, 620
LEFT, RIGHT, TOP, BOTTOM = 72, 196, 64, 72  # margins around the axes
HUES = ('2563eb', 'dc2626', '059669', 'd97706', '7c3aed', '0891b2', 'db2777', '65a30d', '78716c', '0f766e')
DARK = ('60a5fa', 'f87171', '34d399', 'fbbf24', 'a78bfa', '22d3ee', 'f472b6', 'a3e635', 'a8a29e', '5eead4')
STYLE = '''
text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #1f2937 }
.title { font-size: 18px; font-weight: 600 } .note { fill: #6b7280; font-size: 12px }
.page { fill: #ffffff } .minor { stroke: #f1f3f5 } .major { stroke: #d8dde3 }
.halo { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round }
.roof { fill: none; stroke: #111827; stroke-width: 2 } .roof.few { stroke-dasharray: 7 5; stroke-width: 1.5 }
.dot { fill-opacity: .7; stroke-width: 1.5 } .dot.predict { fill-opacity: .12 } .dot:hover { fill-opacity: 1 }
'''
STYLE_DARK = '''
text { fill: #e5e7eb } .note { fill: #9ca3af }
.page { fill: #111418 } .minor { stroke: #1b2026 } .major { stroke: #303841 } .halo { stroke: #111418 }
.roof { stroke: #f3f4f6 }
'''


# --- dots ------------------------------------------------------------------------------------------------------------

def dot(name, group, kind, share, gflop, mbytes, ms):
    """kind: train, predict or product. share: of the step's time. None: nothing that a logarithm could show."""
    if gflop <= 0 or mbytes <= 0 or ms <= 0:
        return None
    return {'group': group, 'kind': kind, 'share': share, 'x': gflop / mbytes * 1e3, 'y': gflop / ms * 1e3,
            'title': f'{name}: {ms:.4g} ms, {gflop / ms * 1e3:.4g} GFLOP/s, {mbytes / ms:.4g} GB/s, '
                     f'{gflop / mbytes * 1e3:.3g} FLOP a byte'}


def dots_of_row(row, compiled):
    """A dot for each kernel; where a program tells nothing of them, one for a whole step of the whole batch."""
    where = f'{row["workload"]} {row["phase"]} {row["batch"]}'
    kernels, ours = row['kernels'], row['systems'].get('nncc')
    if kernels:
        all_ms = sum(k['ms'] for k in kernels) or 1
        return [dot(f'{where}, {k["name"]}', row['workload'], row['phase'], k['ms'] / all_ms, k['gflop'], k['mbytes'],
                    k['ms']) for k in kernels]
    if not ours or row['batch'] != compiled['info']['batch']:
        return []
    step = compiled['traffic'][row['phase']]
    return [dot(f'{where}, a step', row['workload'], row['phase'], 1, step['gflop'], step['mbytes'], ours['ms'])]


def dot_of_product(row):
    ours, (m, k, n) = row['systems'].get('nncc'), row['product']
    if not ours:
        return None
    return dot(f'product {row["title"]}', 'products', 'product', 0.2, row['flop'] / 1e9, 4e-6 * (m * k + k * n + m * n),
               ours['ms'])


def all_dots(result, threads):
    compiled = {m['name']: m for m in result['compiles']}
    rows = [row for row in result['rows'] if row['threads'] == threads]
    dots = [d for row in rows for d in dots_of_row(row, compiled[row['workload']])]
    dots += [dot_of_product(row) for row in result['products'] if row['threads'] == threads]
    return sorted((d for d in dots if d), key=lambda d: -d['share'])


# --- axes ------------------------------------------------------------------------------------------------------------

class Axes:
    """From FLOP a byte and GFLOP/s to places, both by their logarithms."""

    def __init__(self, xs, ys):
        self.x0, self.x1 = self.span(xs)
        self.y0, self.y1 = self.span(ys)

    @staticmethod
    def span(values):
        """From a whole decade, to somewhat over the largest."""
        return math.floor(math.log10(min(values))), math.log10(max(values) * 1.8)

    def x(self, v):
        return LEFT + (math.log10(v) - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)

    def y(self, v):
        return HEIGHT - BOTTOM - (math.log10(v) - self.y0) / (self.y1 - self.y0) * (HEIGHT - TOP - BOTTOM)

    def lines(self):
        """Grid and numbers."""
        minor, major, numbers = [], [], []
        for v, whole in self.ticks(self.x0, self.x1):
            x = self.x(v)
            (major if whole else minor).append(f'M{x:.1f} {TOP}V{HEIGHT - BOTTOM}')
            numbers += [text(x, HEIGHT - BOTTOM + 20, f'{v:g}', 'middle')] if whole else []
        for v, whole in self.ticks(self.y0, self.y1):
            y = self.y(v)
            (major if whole else minor).append(f'M{LEFT} {y:.1f}H{WIDTH - RIGHT}')
            numbers += [text(LEFT - 8, y + 4, f'{v:g}', 'end')] if whole else []
        middle = (TOP + HEIGHT - BOTTOM) / 2
        return [f'<path class="minor" d="{"".join(minor)}"/>', f'<path class="major" d="{"".join(major)}"/>', *numbers,
                text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 44, 'FLOP a byte of memory traffic', 'middle'),
                text(20, middle, 'GFLOP/s', 'middle', turn=f'rotate(-90 20 {middle})')]

    @staticmethod
    def ticks(low, high):
        """(value, whether it is a whole decade) of each line of the grid."""
        return [(k * 10.0 ** e, k == 1) for e in range(low, math.ceil(high)) for k in range(1, 10)
                if math.log10(k) + e <= high]


def text(x, y, words, anchor='start', kind='', turn=''):
    attributes = f' class="{kind}"' if kind else ''
    attributes += f' transform="{turn}"' if turn else ''
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{attributes}>{escape(words)}</text>'


# --- roofs -----------------------------------------------------------------------------------------------------------

def bandwidth(limits):
    return max(limits['read_gbs'], limits['triad_gbs'])


def roof(axes, limits, most):
    """Memory's slope and the peak."""
    peak, gbs = limits['gflops'], bandwidth(limits)
    left = max(10.0 ** axes.x0, 10.0 ** axes.y0 / gbs)
    return (f'<path class="roof{"" if most else " few"}" d="M{axes.x(left):.1f} {axes.y(left * gbs):.1f}'
            f'L{axes.x(peak / gbs):.1f} {axes.y(peak):.1f}H{WIDTH - RIGHT}"/>')


def roof_name(axes, threads, limits, most):
    return text(WIDTH - RIGHT - 8, axes.y(limits['gflops']) + (-8 if most else 18),
                f'{plural(threads)}: {limits["gflops"]:g} GFLOP/s, {bandwidth(limits):g} GB/s', 'end', 'note halo')


# --- the picture -----------------------------------------------------------------------------------------------------

def shape(d, x, y, colour):
    """A disc for training, a ring for inference, a diamond for a product; its area is its share of the step."""
    r = 3 + 8 * math.sqrt(d['share'])
    kind = f'class="dot {d["kind"]} c{colour}"'
    title = f'<title>{escape(d["title"])}</title>'
    if d['kind'] == 'product':
        corners = f'M{x:.1f} {y - r:.1f}l{r:.1f} {r:.1f}l{-r:.1f} {r:.1f}l{-r:.1f} {-r:.1f}z'
        return f'<path {kind} d="{corners}">{title}</path>'
    return f'<circle {kind} cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}">{title}</circle>'


def legend(groups, kinds):
    x, y, parts = WIDTH - RIGHT + 24, TOP + 8, []
    for i, group in enumerate(groups):
        kind = 'product' if group == 'products' else 'train'
        parts.append(shape({'kind': kind, 'share': 0.1, 'title': group}, x, y, i % len(HUES)))
        parts.append(text(x + 16, y + 4.5, group))
        y += 24
    y += 12
    for kind, words in (('train', 'a step of training'), ('predict', 'inference')):
        if kind in kinds:
            parts.append(shape({'kind': kind, 'share': 0.1, 'title': words}, x, y, 'ink'))
            parts.append(text(x + 16, y + 4.5, words))
            y += 24
    return parts + [text(x - 6, y + 8, 'area: share of a step', kind='note')]


def style(colours, ink):
    rules = [f'.c{i} {{ fill: #{c}; stroke: #{c} }}' for i, c in enumerate(colours)]
    return '\n'.join([*rules, f'.cink {{ fill: #{ink}; stroke: #{ink} }}'])


def roofline(result):
    """The text of the picture, for the largest number of threads; dots may lie above the slope: caches are faster."""
    threads = max(result['limits'])
    dots, limits = all_dots(result, threads), result['limits']
    peaks = [v['gflops'] for v in limits.values()]
    bend = peaks[-1] / bandwidth(limits[threads])
    # A dot far below all others would squeeze the picture: it stays at the edge.
    axes = Axes([0.1, bend * 10, *(max(d['x'], 0.01) for d in dots)], [1, *peaks, *(max(d['y'], 0.1) for d in dots)])
    groups = list(dict.fromkeys(r['workload'] for r in result['rows']))
    groups += ['products'] if result['products'] else []
    groups = [g for g in groups if any(d['group'] == g for d in dots)]
    parts = [text(LEFT, 28, 'nncc: kernels under the roofs of this machine', kind='title'),
             text(LEFT, 48, f'{result["cpu"]}, {plural(threads)}, FP32, {result["date"].split()[0]}', kind='note'),
             *axes.lines(), *(roof(axes, limits[t], t == threads) for t in sorted(limits))]
    for d in dots:
        x, y = axes.x(max(d['x'], 10.0 ** axes.x0)), axes.y(max(d['y'], 10.0 ** axes.y0))
        parts.append(shape(d, x, y, groups.index(d['group']) % len(HUES)))
    parts += [roof_name(axes, t, limits[t], t == threads) for t in sorted(limits)]
    parts += legend(groups, {d['kind'] for d in dots})
    return f'''<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">
<style>{STYLE}{style(HUES, "6b7280")}
@media (prefers-color-scheme: dark) {{{STYLE_DARK}{style(DARK, "9ca3af")}
}}</style>
<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>
''' + '\n'.join(parts) + '\n</svg>\n'
