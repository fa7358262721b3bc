"""Measure every stage from five random starts and write down what they reached.

    python tests/scoreboard.py            # some six minutes on two cores; run nothing beside it
    python tests/scoreboard.py --render   # only make README's table and picture again

Writes `mnist_stages/scoreboard.json`, from which notebook 04 makes its last table, and from that file the table in
README.md and `nbs/images/learning_curves.png`. `tests/test_scoreboard.py` compares all of them with fresh runs.
"""
import json
import platform
import re
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
from matplotlib.figure import Figure

from mnist_stages.data import StageResult
from mnist_stages.resnet18 import load_scoreboard, plot_learning_curves, run_stage, save_figure, scoreboard_table

root = Path(__file__).parent.parent
seeds = 1, 2, 3, 4, 5
begin, end = '<!-- scoreboard: made by tests/scoreboard.py -->\n', '<!-- end of scoreboard -->\n'


def processor():
    "What this machine calls its processor"
    if Path('/proc/cpuinfo').exists(): return re.search(r'model name\s*:\s*(.+)', Path('/proc/cpuinfo').read_text())[1]
    return platform.processor() or platform.machine()


def measure():
    "Run every stage with every seed, and write the scoreboard"
    stages = []
    for stage in range(5):
        runs = [run_stage(stage, seed) for seed in (seeds if stage else seeds[:1])]
        print([f'{r.accuracy:.4f}' for r in runs], [f'{r.seconds:.1f} s' for r in runs], flush=True)
        stages.append({**asdict(runs[0]), 'accuracy': [r.accuracy for r in runs], 'seconds': [round(r.seconds, 2) for r in runs]})
    board = {'machine': f'{processor()}, {torch.get_num_threads()} cores', 'device': 'cpu', 'torch': version('torch'), 'fastai': version('fastai'), 'seeds': seeds, 'stages': stages}
    (root/'mnist_stages'/'scoreboard.json').write_text(json.dumps(board, indent=1) + '\n')


def first_runs(board):
    "The runs with the first seed, with their curves"
    for o in board['stages']: yield StageResult(**o | {k: o[k][0] for k in ('accuracy', 'seconds')})


def readme_table(board):
    "The scoreboard in Markdown"
    table = scoreboard_table(board).reset_index()
    rows = [list(table.columns), ['---']*len(table.columns), *table.values.tolist()]
    lines = '\n'.join('| ' + ' | '.join(map(str, o)) + ' |' for o in rows)
    return (f'{lines}\n\nMeasured with the seeds {min(board["seeds"])} to {max(board["seeds"])} on {board["machine"]}, no GPU, nothing else running, '
            f'PyTorch {board["torch"]} and fastai {board["fastai"]}.\n')


def render():
    "Make README's table and picture from the scoreboard"
    board, readme = load_scoreboard(), root/'README.md'
    before, rest = readme.read_text(encoding='utf-8').split(begin)
    readme.write_text(before + begin + readme_table(board) + end + rest.split(end)[1], encoding='utf-8')
    save_figure(plot_learning_curves(first_runs(board), Figure(figsize=(8, 4.5)).subplots()), root/'nbs'/'images'/'learning_curves.png')


if __name__ == '__main__':
    if sys.argv[1:] == ['--render']: render()
    elif sys.argv[1:]: sys.exit(__doc__)
    else:
        measure()
        render()
