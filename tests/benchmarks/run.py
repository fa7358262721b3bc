"""Measure how stage 4 and its parts compare with the published way and with other libraries, on the CPU: ratios.

    python tests/benchmarks/run.py --quick                  # some four minutes on two cores; run nothing beside it
    python tests/benchmarks/run.py                          # with whole epochs, some ten minutes
    python tests/benchmarks/run.py --only batches memory    # some of the groups below
    python tests/benchmarks/run.py --json results.json      # keep the figures, too

groups:
  loading     MNIST into memory, and as PNG files
  batches     images per second: PNG files, torchvision's MNIST, fastai's DataLoader, ours
  pictures    one photograph, from its file to 28 × 28 pixels
  optimiser   one step of SGD and of Adam: fused, not fused, fastai's
  kernels     one training step: cropped kernels, full ones
  training    the first 60 batches of an epoch, and how long an epoch would take
  epoch       whole epochs: a minute or so each for ours, about four for the published pipeline
  memory      peak memory, of processes of their own

What is compared is measured in one run and in turns (A B A B), so that noise shows: each figure is a median, with the
best in brackets, and the ratio, ours divided by the other, is given for both. Times are in seconds or milliseconds (a
ratio below 1 is good), images per second and accuracy are better when large. Nothing is downloaded, and the PNG files
go into a temporary folder.
"""
import argparse
import json
import math
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import mean, median

here = Path(__file__).parent
groups = ['loading', 'batches', 'pictures', 'optimiser', 'kernels', 'training', 'epoch', 'memory']
published = 'published pipeline'


@dataclass
class Row:
    "One comparison: samples of ours and of an alternative, all in the same unit"
    what:str
    unit:str                        # 's', 'images/s', 'MB' or '%'
    ours:list
    other_name:str
    other:list

    def figures(self, samples): return median(samples), (max if self.unit in ('images/s', '%') else min)(samples)
    @property
    def ratios(self): return [a/b for a, b in zip(self.figures(self.ours), self.figures(self.other))]


def run(*command, env):
    "Run `command` in this folder, and return what it printed. If it fails, show that and stop."
    done = subprocess.run([sys.executable, *map(str, command)], cwd=here, env=env, capture_output=True, text=True)
    if done.returncode: sys.exit(f'{done.stdout}{done.stderr}\n{" ".join(map(str, command))} failed: see above')
    return done.stdout


def measure(group, env, *options):
    "Run `bench_GROUP.py` with pytest-benchmark. Returns its report of each test, with all timings."
    with tempfile.TemporaryDirectory() as tmp:
        out = f'--benchmark-json={tmp}/report.json', f'--benchmark-storage=file://{tmp}/storage'
        run('-m', 'pytest', '-q', '-p', 'no:cacheprovider', *out, f'bench_{group}.py', *options, env=env)
        return json.loads(Path(tmp, 'report.json').read_text())['benchmarks']


def compare(what, unit, samples):
    "A row for each alternative in `samples`, a dict from names to measurements"
    return [Row(what, unit, samples['ours'], name, o) for name, o in samples.items() if name != 'ours']


def timing_rows(report):
    "Rows from the tests that time one thing: those with the same `group` are compared"
    found = defaultdict(lambda: defaultdict(list))
    for o in report:
        images = o['extra_info'].get('images')
        times = o['stats']['data']
        samples = found[o['group'], 'images/s' if images else 's'][o['params']['name']]
        samples += [images/t for t in times] if images else times
    return [row for (what, unit), samples in found.items() for row in compare(what, unit, samples)]


def whole_epoch(o):
    """Seconds for an epoch of which only the first batches were run.

    The others take as long as those did on average, the very first left out. Where no batches are for validation, as
    in ours, it is in `seconds`: all validation images are read, however short the training was.
    """
    parts = [part for part in ('train', 'valid') if o[f'n_{part}']]
    return o['seconds'] + sum((o[f'n_{part}'] - len(o[part]))*mean(o[part][1:]) for part in parts)


def training_rows(report, whole):
    "Rows from the tests that train: per step, per image, and for an epoch"
    fits = defaultdict(list)
    for o in report: fits[published if o['params']['name'] == 'published' else 'ours'].append(o['extra_info'])
    def samples(f): return {name: [s for o in runs for s in f(o)] for name, runs in fits.items()}
    first = {name: runs[0] for name, runs in fits.items()}
    said = f"training step, {first['ours']['bs']} images against {first[published]['bs']}"
    rows = compare(said, 's', samples(lambda o: o['train'][5:]))
    rows += compare('training, one image', 's', samples(lambda o: [t/o['bs'] for t in o['train'][5:]]))
    if not whole:
        said = f"epoch, extrapolated from {len(first['ours']['train'])} batches; ours with answers over 5 shifts"
        return rows + compare(said, 's', samples(lambda o: [whole_epoch(o)]))
    rows += compare('whole epoch; ours with answers averaged over 5 shifts', 's', samples(lambda o: [o['seconds']]))
    said = 'its training batches; ours with 11 looks at 1,000 images'
    rows += compare(said, 's', samples(lambda o: [sum(o['train'])]))
    return rows + compare('accuracy after it', '%', samples(lambda o: [100*o['accuracy']]))


def memory_rows(env, rounds):
    "Rows for peak memory; each measurement has a process of its own"
    rows = []
    kinds = [('import', 'memory, import mnist_stages.resnet18', 'import fastai.vision.all'),
             ('train', 'memory, first 50 batches', published)]
    for kind, what, other in kinds:
        samples = {'ours': [], other: []}
        for _ in range(rounds):
            for label, name in ('ours', 'ours'), (other, 'published'):
                samples[label].append(int(run('memory.py', kind, name, env=env).split()[-1])/1e6)
        rows += compare(what, 'MB', samples)
    return rows


def rows_of(group, env, quick=False):
    "Measure `group`"
    if group == 'memory': return memory_rows(env, 1 if quick else 2)
    report = measure(group, env)
    return training_rows(report, whole=group == 'epoch') if group in ('training', 'epoch') else timing_rows(report)


def conditions():
    "What the figures depend on"
    cpuinfo = Path('/proc/cpuinfo')
    processor = re.search(r'model name\s*:\s*(.+)', cpuinfo.read_text()) if cpuinfo.exists() else None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    load = f'; load when it began {os.getloadavg()[0]:.1f}' if hasattr(os, 'getloadavg') else ''
    versions = ', '.join(f'{o} {version(o)}' for o in ('torch', 'torchvision', 'fastai', 'pillow', 'pytest-benchmark'))
    machine = f'{processor[1] if processor else platform.machine()}, {cores} cores, {platform.system()}{load}'
    return f'{machine}\nPython {platform.python_version()}, {versions}'


def text(x, unit):
    "`x` as a person wants to read it"
    if unit == 's' and x >= 1: return f'{x:,.1f} s' if x >= 10 else f'{x:.2f} s'
    if unit == 's': return f'{1e3*x:.3g} ms' if x >= 1e-3 else f'{1e6*x:.3g} µs'
    return f'{x:.2f}%' if unit == '%' else f'{x:,.0f} {unit}'


def table(rows):
    "The rows as aligned text"
    def both(figures, unit): return '{} ({})'.format(*[text(o, unit) for o in figures])
    def one(o): return f'{o:,.0f}×' if o >= 100 else f'{o:.3g}×' if o >= .01 else f'1/{1/o:,.0f}'
    def times(ratios): return '{} ({})'.format(*map(one, ratios))
    lines = [('what', 'ours', 'alternative', '', 'ours / alternative')]
    lines += [(o.what, both(o.figures(o.ours), o.unit), both(o.figures(o.other), o.unit), o.other_name,
               times(o.ratios)) for o in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return '\n'.join('  '.join(f'{cell:{width}}' for cell, width in zip(line, widths)).rstrip() for line in lines)


def as_dict(row):
    "The row for a program to read"
    ratio, best = row.ratios
    if not (math.isfinite(ratio) and math.isfinite(best)): raise ValueError(f'{row.what}: the ratio is not finite')
    return {**asdict(row), 'ratio_of_medians': ratio, 'ratio_of_bests': best}


def parse(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--quick', action='store_true', help='no whole epochs')
    p.add_argument('--only', nargs='+', choices=groups, metavar='GROUP', help='only these groups')
    p.add_argument('--json', type=Path, metavar='FILE', help='also write all figures into FILE')
    args = p.parse_args(argv)
    if args.json and not args.json.absolute().parent.is_dir():
        p.error(f'--json {args.json}: there is no folder {args.json.parent}')
    if args.quick and args.only and 'epoch' in args.only:
        p.error('--quick runs no whole epochs: leave out --quick or epoch')
    args.only = args.only or [o for o in groups if not (args.quick and o == 'epoch')]
    return args


def main(argv=None):
    args, rows = parse(argv), []
    print(f'{conditions()}\n', flush=True)
    with tempfile.TemporaryDirectory() as tmp:
        # No GPU, and a cache of fastai's that is empty and goes away
        env = {**os.environ, 'FASTAI_HOME': f'{tmp}/fastai', 'CUDA_VISIBLE_DEVICES': '', 'PYTHONWARNINGS': 'ignore'}
        try:
            for group in args.only:
                start = time.perf_counter()
                rows += rows_of(group, env, args.quick)
                print(f'{group}: {time.perf_counter() - start:.0f} s', file=sys.stderr, flush=True)
        finally:                            # what was measured before a failure is not lost
            if rows: print(f'\nmedian (best)\n{table(rows)}', flush=True)
    if args.json:
        found = {'conditions': conditions(), 'rows': [as_dict(o) for o in rows]}
        args.json.write_text(json.dumps(found, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    try: main()
    except KeyboardInterrupt: sys.exit('\ninterrupted')
