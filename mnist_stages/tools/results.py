"What the stages reached: one form for all of them, tables, the picture that grows, and the scoreboard."
import json
from dataclasses import dataclass, field, fields
from io import BytesIO
from pathlib import Path
from statistics import mean, median

import pandas as pd
from matplotlib import pyplot as plt

from . import check
from .files import write_whole

_board = Path(__file__).parent.parent/'scoreboard.json'


@dataclass
class StageResult:
    "What one stage of the series reached"
    stage:int # 0 to 4; `None` for a model that is no stage
    approach:str # What the stage does, in a few words
    digits:str # What it tells apart: '3 or 7', or '0 to 9'
    parameters:int # How many numbers it keeps from the training data
    epochs:int # How often it saw the whole training set
    accuracy:float # Share of the validation images that it got right at the end, 0 to 1
    seconds:float # Wall time of training and validation, without loading the data
    bs:int = None # Images per training batch
    lr:float = None # Learning rate; the largest one where it changes
    images_seen:list = field(default_factory=list) # After how many training images each of `accuracies` was measured
    accuracies:list = field(default_factory=list) # Validation accuracy along the way, 0 to 1
    predict:callable = field(default=None, repr=False, compare=False) # Images `[n, 28, 28]` to probabilities `[n, 10]`

    def facts(self) -> dict: # All but `predict`, ready for JSON
        "What was reached, without what reached it"
        return {o.name: getattr(self, o.name) for o in fields(self) if o.name != 'predict'}


def results_table(
    results, # `StageResult`s
) -> pd.DataFrame: # A row for each, as text ready to show
    "What the stages reached, as a table"
    rows = [('' if r.stage is None else r.stage, r.approach, r.digits, f'{r.parameters:,}', r.epochs,
             f'{r.accuracy:.2%}', f'{r.seconds:.1f}') for r in check.results(results)]
    return pd.DataFrame(rows, columns='stage approach digits parameters epochs accuracy seconds'.split())


def plot_learning_curves(
    results, # A list of `StageResult`s
    ax=None, # Matplotlib axes; new ones if `None`
): # The axes
    """Validation accuracy of each stage against the number of training images seen.

    Raises `TypeError` unless `results` is a list of `StageResult`s.
    """
    results = check.results(results)
    if ax is None: ax = plt.subplots(figsize=(8, 4.5))[1]
    # Okabe and Ito's colours, for colour-blind readers; the last but one is for models that are no stage
    colours = ['#000000', '#E69F00', '#56B4E9', '#009E73', '#CC79A7', '#D55E00']
    for k, r in enumerate(results):
        if r.stage is not None: number, colour = f'{r.stage} ', colours[-1 if r.stage == 4 else r.stage]
        else: number, colour = '', colours[k] if r.images_seen or not k else '#7F7F7F'
        label = f'{number}{r.approach} ({r.digits}): {r.accuracy:.1%}'
        if r.images_seen: ax.plot(r.images_seen, r.accuracies, marker='.', color=colour, label=label)
        else: ax.axhline(r.accuracy, ls='--', color=colour, label=label)
    ax.set_xscale('log')
    ax.set_yscale('logit')
    levels = [.5, .8, .9, .95, .98, .99, .995]
    ax.set_yticks(levels, [f'{o:.1%}' if o > .99 else f'{o:.0%}' for o in levels])
    thousands = [10, 20, 50, 100, 200, 500]
    ax.set_xticks([1000*o for o in thousands], [f'{o}k' for o in thousands])
    for ticks in (ax.set_xticks, ax.set_yticks): ticks([], minor=True)
    seen = [5_000, 600_000, *(o for r in results for o in r.images_seen)]
    ax.set(xlim=(min(seen), max(seen)), ylim=(.5, .996), xlabel='training images seen', ylabel='validation accuracy')
    ax.grid(alpha=.3)
    if ax.lines: ax.legend(loc='lower right', fontsize=9)
    return ax


def save_figure(
    ax, # Matplotlib axes
    out:Path, # The file; its suffix says which format
):
    "Save the figure of `ax` as `out`, whole or not at all"
    buf, kind = BytesIO(), out.suffix[1:].lower()
    # kept in the file, so that a program can read them
    labels = '; '.join(o.get_label() for part in ax.figure.axes for o in part.lines)
    described = {'Description': labels} if kind == 'png' else None
    ax.figure.savefig(buf, format=kind, dpi=150, bbox_inches='tight', metadata=described)
    write_whole(out, buf.getvalue())


# The scoreboard: what `tests/scoreboard.py` measured

def load_scoreboard() -> dict: # 'machine', 'torch' and the like; dicts in 'stages', 'ladder' and others
    "Every stage and all kinds of model on ten digits from several random starts, and what changes to stage 4 do"
    return json.loads(_board.read_text(encoding='utf-8'))


def first_runs(
    board:dict, # From `load_scoreboard`
    part:str='stages', # 'stages'; 'ten_digits', all kinds of model on ten digits; 'baseline', threes and sevens by L2
) -> list: # A `StageResult` for each stage or kind, without `predict`
    "The scoreboard's runs with the first seed, with their curves"
    runs = {}
    for o in _part(board, part): runs.setdefault(o['approach'], o)
    return [StageResult(**o | {k: o[k][0] for k in ('accuracy', 'seconds')}) for o in runs.values()]


def _part(board, key):
    "The part `key` of a scoreboard"
    if not isinstance(board, dict) or not board.get(key):
        raise ValueError(f'board must come from load_scoreboard(): it has no {key!r}')
    return board[key]


def plot_scoreboard(
    board:dict, # From `load_scoreboard`
    axs=None, # Two Matplotlib axes; new ones if `None`
): # The two axes
    "Learning curves of the first seed: left the stages that tell threes from sevens, right every kind on ten digits"
    if axs is None: axs = plt.subplots(1, 2, figsize=(11, 4.8), layout='constrained')[1]
    two = [r for r in first_runs(board) if r.digits == '3 or 7']
    plot_learning_curves(two + first_runs(board, 'baseline'), axs[0])
    plot_learning_curves(first_runs(board, 'ten_digits'), axs[1])
    for ax, title, digits in zip(axs, ('threes and sevens', 'all ten digits'), ('3 or 7', '0 to 9')):
        ax.set(title=title, ylim=(.12, .996))            # room for the legend below the lowest line
        lines, labels = ax.get_legend_handles_labels()
        ax.legend(lines, [o.replace(f' ({digits})', '') for o in labels], loc='lower right', fontsize=9)
    axs[1].set_ylabel('')
    return axs


def scoreboard_table(
    board:dict, # From `load_scoreboard`
    part:str='stages', # 'stages', or 'ten_digits' for all kinds of model on ten digits
) -> pd.DataFrame: # A row for each stage or kind, as text ready to show
    "The scoreboard as a table: accuracy as mean and range over the seeds, seconds as the median"
    def row(o):
        accs = [100*a for a in o['accuracy']]
        spread = f'{min(accs):.2f} to {max(accs):.2f}' if len(accs) > 1 else 'no seed'
        return (o['stage'], o['approach'], o['digits'], f"{o['parameters']:,}", o['epochs'], o['bs'] or '',
                o['lr'] or '', f'{mean(accs):.2f}%', spread, f"{median(o['seconds']):.1f}")
    names = ['stage', 'approach', 'tells apart', 'parameters', 'epochs', 'batch size', 'learning rate', 'accuracy',
             'from – to, %', 'seconds']
    table = pd.DataFrame(map(row, _part(board, part)), columns=names)
    if part == 'stages': return table.set_index('stage')
    return table.drop(columns=['stage', 'tells apart']).set_index('approach')


def ladder_table(
    board:dict, # From `load_scoreboard`
) -> pd.DataFrame: # A row for each rung, as text ready to show
    "What each change from the published stage 4 to ours bought, in seconds an epoch and in accuracy"
    ladder = _part(board, 'ladder')
    first = median(ladder[0]['seconds'])

    def row(o):
        accs, seconds = [100*a for a in o['accuracy']], median(o['seconds'])
        each = ' '.join(f'{a:.2f}' for a in accs)
        return o['change'], f'{seconds:.0f}', f'{seconds/first:.2f}', f'{mean(accs):.2f}%', each
    return pd.DataFrame(map(row, ladder), columns=['change', 'seconds', 'of the first', 'accuracy', 'each start'])
