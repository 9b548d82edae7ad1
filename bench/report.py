# SPDX-License-Identifier: MIT
"""The tables that a run prints."""
from systems import SYSTEMS

# How many times as fast as the best peer nncc has to be.
WANTED_TRAIN = {'mlp_mnist': 1.75, 'cnn_mnist': 2.3, 'resnet18_cifar': 1.4, 'unet_64': 2.1, 'vae_mnist': 2.5, 'gpt_char': 1.6,
                'gpt2_124m': 2.2, 'lstm_char': 2.8, 'ctc_speech': 3.5, 'ncf': 2.7, 'dcgan_28': 2.5}
SEQUENCES = ('gpt_char', 'gpt2_124m', 'lstm_char', 'ctc_speech')
SMALL = ('toy_2_3_1', 'mlp_mnist', 'cnn_mnist', 'unet_64', 'vae_mnist')
WANTED_SMALL, WANTED_LARGE, WANTED_PREDICT = 2.5, 1.2, 1.35  # inference: small ones at batch 1, resnet50, the rest
WANTED_SEQUENCE = 1.5  # sequences, at batch 1
WANTED_NCF = {1: 10, 256: 2}  # a recommender's inference, by batch
WANTED_MEMORY = 0.6  # of PyTorch's, at most
WANTED_PRODUCT = {64: 0.75}  # of the peak; the others
WANTED_PRODUCTS = 0.88
WANTED_SCALING = {'resnet18_cifar': 1.85}  # times as fast on the most threads as on one; training
WANTED_NEIGHBOUR = 2.5  # times an idle step, at most
WANTED_READ = 0.85  # of what memory gives, decoding

STEADY = 1.25  # rounds further apart than that are remarked on

SHORT = {'nncc': 'nncc', 'eager': 'torch', 'tuned': 'tuned', 'last': 'ch.last', 'compile': 'compile', 'ort': 'onnxrt',
         'debian': 'debian', 'openblas': 'OpenBLAS', 'onednn': 'oneDNN', 'mm': 'torch.mm'}


# --- what is wanted --------------------------------------------------------------------------------------------------

def wanted_ratio(row):
    """To the best peer; None: nothing is."""
    if row['phase'] == 'train':
        return WANTED_TRAIN.get(row['workload'])
    if row['workload'] == 'ncf':
        return WANTED_NCF.get(row['batch'])
    if row['batch'] == 1 and row['workload'] in SMALL:
        return WANTED_SMALL
    if row['batch'] == 1 and row['workload'] in SEQUENCES:
        return WANTED_SEQUENCE
    return WANTED_LARGE if row['workload'].startswith('resnet50') else WANTED_PREDICT


def best_peer(row):
    """(system, ratio) of the fastest; None: there is none."""
    return min(row.get('to', {}).items(), key=lambda item: item[1], default=None)


def add_verdict(row):
    """Adds `best`, `wanted` and `reached` to a row of a workload."""
    best, wanted = best_peer(row), wanted_ratio(row)
    row['best'], row['wanted'] = best[0] if best else None, wanted
    row['reached'] = best[1] >= wanted if best and wanted else None


# --- cells -----------------------------------------------------------------------------------------------------------

def mark(reached):
    return {True: ' yes', False: ' no ', None: '    '}[reached]


def doubt(row):
    """What speaks against a row: others that used the machine, rounds that differ."""
    words = [f'busy: {row["others"]:g}'] if row['busy'] else []
    for s in ('nncc', row.get('best')):
        if s in row['systems'] and row['systems'][s]['spread'] > STEADY:
            words.append(f'{SHORT[s]} {row["systems"][s]["spread"]:.2g}x apart')
    return ''.join('  ' + w for w in words)


def times(row, systems):
    found = row['systems']
    return ''.join(f'{found[s]["ms"]:10.4g}' if s in found else f'{"-":>10s}' for s in systems)


def percent(row, system):
    found = row['systems'].get(system)
    return f'{100 * found["of_peak"]:.0f}' if found else '-'


def ratio(row, system):
    return f'{row["to"][system]:.2f}x' if system in row.get('to', {}) else '-'


# --- workloads -------------------------------------------------------------------------------------------------------

def heading(systems):
    return (f'{"":16s} {"":7s} {"batch":>5s}' + ''.join(f'{SHORT[s]:>10s}' for s in systems)
            + f'  {"% of peak":>9s} {"to torch":>8s}  {"to the best":17s} {"wanted":6s}')


def line(row, systems):
    """One row: milliseconds a step of each; ours and the best peer's share of the peak; ratios."""
    best = row['best']
    peaks = f'{percent(row, "nncc")} / {percent(row, best)}'
    best_text = f'{ratio(row, best)} {SHORT[best]}' if best else '-'
    wanted = f'{row["wanted"]:g}' if row['wanted'] else '-'
    return (f'{row["workload"]:16s} {row["phase"]:7s} {row["batch"]:5d}{times(row, systems)}  {peaks:>9s} '
            f'{ratio(row, "eager"):>8s}  {best_text:17s} {wanted:>5s}{mark(row["reached"])}{doubt(row)}')


def plural(threads):
    return f'{threads} thread{"s" if threads > 1 else ""}'


def print_heading(threads, limits, systems):
    print(f'\n{plural(threads)}: {limits["gflops"]:g} GFLOP/s, read {limits["read_gbs"]:g} GB/s, triad '
          f'{limits["triad_gbs"]:g} GB/s. Milliseconds a step, medians; % of peak: ours / the best peer\'s')
    print(heading(systems), flush=True)


def print_row(row, systems):
    print(line(row, systems), flush=True)
    for s, reason in row['failed'].items():
        print(f'{"":16s} {SYSTEMS[s]} does not run here: {reason}', flush=True)


# --- products --------------------------------------------------------------------------------------------------------

def print_product_heading(threads, systems):
    print(f'\nProducts of matrices, {plural(threads)}: GFLOP/s (% of peak)')
    print(f'{"":16s}' + ''.join(f'{SHORT[s]:>16s}' for s in systems) + '   wanted', flush=True)


def print_product(row, systems):
    def cell(s):
        found = row['systems'].get(s)
        return f'{found["gflops"]:.1f} ({100 * found["of_peak"]:.0f}%)' if found else '-'
    ours, m = row['systems'].get('nncc'), row['product'][0]
    wanted = WANTED_PRODUCT.get(m, WANTED_PRODUCTS)
    row['wanted'], row['reached'] = wanted, ours['of_peak'] >= wanted if ours else None
    cells = ''.join(f'{cell(s):>16s}' for s in systems)
    print(f'{row["title"]:16s}{cells}  {100 * wanted:5.0f}%{mark(row["reached"])}{doubt(row)}', flush=True)
    for s, reason in row['failed'].items():
        print(f'{"":16s} {SYSTEMS[s]} does not run here: {reason}', flush=True)


# --- scaling, neighbours, batches ---------------------------------------------------------------------------------------

def print_scaling(rows):
    """How many times as fast the most threads are as one: ours, and the fastest peer's of each."""
    def key(row):
        return row['workload'], row['phase'], row['batch']

    most = max((row['threads'] for row in rows), default=1)
    ones = {key(row): row for row in rows if row['threads'] == 1 and 'nncc' in row['systems']}
    pairs = [(ones[key(row)], row) for row in rows if row['threads'] == most > 1 and key(row) in ones]
    if pairs:
        print(f'\nFrom 1 to {plural(most)}, times as fast\n{"":16s} {"":7s} {"batch":>5s}{"nncc":>8s}{"best peer":>11s}   wanted')
    for one, many in pairs:
        if 'nncc' not in many['systems']:
            continue
        ours = one['systems']['nncc']['ms'] / many['systems']['nncc']['ms']
        peers = [min((v['ms'] for s, v in row['systems'].items() if s != 'nncc'), default=0) for row in (one, many)]
        theirs = f'{peers[0] / peers[1]:.2f}' if all(peers) else '-'
        wanted = WANTED_SCALING.get(many['workload']) if many['phase'] == 'train' else None
        many['scaling'] = ours
        print(f'{many["workload"]:16s} {many["phase"]:7s} {many["batch"]:5d}{ours:8.2f}{theirs:>11s}   '
              f'{wanted or "-":>6}{mark(ours >= wanted if wanted else None)}')


def print_neighbour_heading(threads):
    print(f'\nTraining beside a program that keeps one core busy, {plural(threads)}: milliseconds a step\n{"":16s} '
          f'{"batch":>5s}{"":>16s}{"alone":>10s}{"beside":>10s}{"times":>8s}   wanted', flush=True)


def print_neighbour(row):
    head = f'{row["workload"]:16s} {row["batch"]:5d}{SYSTEMS[row["system"]]:>16s}'
    if 'failed' in row:
        print(f'{head} does not run here: {row["failed"]}', flush=True)
        return
    ours = row['system'] == 'nncc'
    wanted = f'{WANTED_NEIGHBOUR:g}{mark(row["ratio"] <= WANTED_NEIGHBOUR)}' if ours else '-'
    print(f'{head}{row["idle_ms"]:10.4g}{row["beside_ms"]:10.4g}{row["ratio"]:8.2f}   {wanted}', flush=True)


def print_batch_heading(threads, batches):
    print(f'\nMilliseconds a sample in batches, {plural(threads)}\n{"":16s} {"":7s} {"":8s}'
          + ''.join(f'{b:10d}' for b in batches) + '   apart', flush=True)


def print_batches(row, batches):
    found = row['ms_a_sample']
    cells = ''.join(f'{found[b]:10.4g}' if b in found else f'{"-":>10s}' for b in batches)
    row['apart'] = max(found.values()) / min(found.values()) if found else None
    busy = f'  busy: {row["others"]:g}' if row['busy'] else ''
    print(f'{row["workload"]:16s} {row["phase"]:7s} {SYSTEMS[row["system"]]:8s}{cells}{row["apart"] or 0:7.2f}x{busy}', flush=True)
    for b, reason in row['failed'].items():
        print(f'{"":16s} batch {b} does not run: {reason}', flush=True)


def print_decode_heading(threads, limits, systems):
    print(f'\nA token of a text that is continued, {plural(threads)}: milliseconds (GB/s of weights, % of the '
          f'{limits["read_gbs"]:g} GB/s that memory gives)\n{"":16s}' + ''.join(f'{SHORT[s]:>26s}' for s in systems)
          + '   wanted', flush=True)


def print_decode(row, systems):
    def cell(s):
        found = row['systems'].get(s)
        return f'{found["ms"]:.4g} ({found["read_gbs"]:.1f}, {100 * found["of_read"]:.0f}%)' if found else '-'
    ours = row['systems'].get('nncc')
    row['wanted'], row['reached'] = WANTED_READ, ours['of_read'] >= WANTED_READ if ours else None
    cells = ''.join(f'{cell(s):>26s}' for s in systems)
    print(f'{row["workload"]:16s}{cells}  {100 * WANTED_READ:5.0f}%{mark(row["reached"])}{doubt(row)}', flush=True)
    for s, reason in row['failed'].items():
        print(f'{"":16s} {SYSTEMS[s]} does not run here: {reason}', flush=True)


# --- memory and compilers --------------------------------------------------------------------------------------------

def print_memory(rows):
    rows = [r for r in rows if r['memory'] and r['memory']['ratio']]
    if rows:
        print('\nMemory of training, MB: our arena; PyTorch\'s peak above its idle')
        print(f'{"":16s} {"threads":>8s}{"nncc":>10s}{"torch":>10s}{"ratio":>8s}   wanted')
    for r in rows:
        m = r['memory']
        print(f'{r["workload"]:16s} {r["threads"]:8d}{m["arena_bytes"] / 1e6:10.4g}{m["torch_bytes"] / 1e6:10.4g}'
              f'{m["ratio"]:8.2f}   {WANTED_MEMORY:g}{mark(m["ratio"] <= WANTED_MEMORY)}')


def print_compiles(made):
    print(f'\nCompiling\n{"":16s} {"nncc, ms":>10s}{"C compiler, s":>15s}{"C, KB":>10s}')
    for m in made:
        print(f'{m["name"]:16s} {m["nncc_ms"]:10.1f}{m["cc_s"]:15.2f}{m["c_bytes"] / 1e3:10.1f}', flush=True)


def print_versions(versions):
    print('\nVersions')
    said = set()
    for s, found in versions.items():
        text = '; '.join(found.values())
        if text not in said:
            print(f'  {SYSTEMS[s]}: {text}')
        said.add(text)
