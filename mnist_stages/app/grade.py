"Grade returned notebooks: run what learners wrote, each answer with the check as it was handed out."
import argparse
import csv
import re
import sys
from pathlib import Path
from subprocess import DEVNULL

import nbformat
from jupyter_client.manager import start_new_kernel

#: What an answer can come to, by how its check's output begins; one that ended in an error or a loop has none of these
verdicts = {'Right!': 'right', 'Not yet': 'wrong', 'Not filled in yet': 'open'}
no_verdict = 'no verdict'
_own_check = 'from mnist_stages.tools.exercises import check_function, check_value'


class Stopped(Exception): "A cell took too long, or took its kernel with it"


class Kernel:
    "A Python process of its own for one notebook; after a cell that does not end there is a fresh one"
    def __init__(self,
        cwd, # Folder to run in
        begin, # Sources of the cells to begin with, in every fresh process
        patience:int=60, # Seconds for one cell
    ):
        self.cwd, self.begin, self.patience, self.manager = str(cwd), begin, patience, None

    def run(self,
        source:str, # Python
    ) -> str: # What it printed
        "Run one cell. Raises `Stopped` if it takes too long or the process dies."
        if not self.manager:
            try: self.manager, self.client = start_new_kernel(kernel_name='python3', cwd=self.cwd, stderr=DEVNULL)
            except RuntimeError as e: raise Stopped from e
            for o in self.begin: self._run(o, 10*self.patience)      # these are ours, and import large libraries
        return self._run(source, self.patience)

    def _run(self, source, patience):
        said = []

        def keep(msg):
            if msg['msg_type'] == 'stream': said.append(msg['content']['text'])
        try: self.client.execute_interactive(source, timeout=patience, output_hook=keep, allow_stdin=False)
        except (TimeoutError, RuntimeError) as e:      # jupyter_client says "Kernel died" with a RuntimeError
            self.stop()
            raise Stopped from e
        return ''.join(said)

    def stop(self):
        "End the process"
        if not self.manager: return
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager = None


def _source(cell): return ''.join(cell['source'])


def split_exercises(
    cells:list, # The cells of a notebook
) -> dict: # For each exercise, such as '2.1', its code cells in order
    "The code cells of each exercise, from its heading to the next one"
    found, number = {}, None
    for c in cells:
        if c['cell_type'] == 'markdown' and (heading := re.match(r'#+ (?:Exercise (\d+\.\d+))?', _source(c))):
            number = heading[1]
            if number: found[number] = []
        elif number and c['cell_type'] == 'code': found[number].append(c)
    return found


def answer_of(
    returned:list, # The code cells of an exercise as they came back
    check, # The cell that checks it, as it was handed out
) -> list: # Sources of the cells that are the learner's
    "What a learner has put into an exercise. The check is known by its id, or by what it calls where ids were lost."
    calls = re.compile(r'^check_(?:value|function)\(', flags=re.M)
    return [_source(c) for c in returned if c.get('id') != check.get('id') and not calls.search(_source(c))]


def grade(
    returned:Path, # The notebook that came back
    original:Path, # The same notebook as it was handed out
    patience:int=60, # Seconds for one cell
) -> dict: # For each exercise 'right', 'wrong', 'open' or 'no verdict'
    "Run the answers of `returned` with the checks of `original`, after the cells that `original` begins with"
    handed_out, came_back = (nbformat.read(o, 4)['cells'] for o in (original, returned))
    begin = []
    for c in handed_out:
        if c['cell_type'] == 'markdown' and _source(c).startswith('## '): break
        if c['cell_type'] == 'code': begin.append(_source(c))
    begin.append(f'from mnist_stages.{original.stem.split("_", 1)[1]} import *')
    answers, marks = split_exercises(came_back), {}
    kernel = Kernel(original.parent, begin, patience)
    try:
        for number, cells in split_exercises(handed_out).items():
            if not cells: continue
            check = cells[-1]
            try:
                for o in answer_of(answers.get(number, []), check): kernel.run(o)
                said = kernel.run(f'{_own_check}\n{_source(check)}')
            except Stopped: said = ''
            marks[number] = next((mark for begins, mark in verdicts.items() if said.startswith(begins)), no_verdict)
    finally: kernel.stop()
    return marks


def _known_by(cells):
    "The ids of `cells`, and the numbers of their exercises, since some editors lose ids"
    return {c.get('id') for c in cells} - {None} | set(split_exercises(cells))


def original_of(
    returned:Path, # The notebook that came back, under whatever name
    originals:Path, # Folder of the notebooks as they were handed out
) -> Path: # The one that it was
    "Which notebook `returned` is, by its cells. Raises `ValueError` if it is none of them or no notebook."
    try: marks = _known_by(nbformat.read(returned, 4)['cells'])
    except Exception as e: raise ValueError(f'{returned} is not a notebook ({type(e).__name__})') from None
    handed_out = {o: nbformat.read(o, 4)['cells'] for o in sorted(originals.glob('*.ipynb'))}
    shared = {o: len(marks & _known_by(cells)) for o, cells in handed_out.items()}
    if not shared: raise ValueError(f'there are no notebooks in {originals}: give the folder with --originals')
    best = max(shared, key=shared.get)
    if not shared[best]: raise ValueError(f'{returned} is none of the notebooks in {originals}')
    return best


def main(
    argv:list=None, # Arguments; those of the command line if `None`
) -> int: # Exit status: 0, or 1 if something could not be graded
    "`python -m mnist_stages.app.grade`"
    p = argparse.ArgumentParser('python -m mnist_stages.app.grade', description=__doc__)
    p.add_argument('returned', type=Path, nargs='+', help='returned notebooks, or folders of them')
    p.add_argument('--originals', type=Path, default=Path('nbs'),
                   help='folder of the notebooks as they were handed out (default: nbs)')
    p.add_argument('--csv', type=Path, help='write the marks here, too')
    p.add_argument('--patience', type=int, default=60, help='seconds for one cell (default: 60)')
    args = p.parse_args(argv)
    if args.csv: _write_csv(args.csv, [])       # if that cannot be written, say so before everything is run
    found = [o for given in args.returned for o in (sorted(given.rglob('*.ipynb')) if given.is_dir() else [given])]
    rows, failed = [], 0
    for path in found:
        try: marks = grade(path, original_of(path, args.originals), args.patience)
        except (ValueError, OSError) as e:
            print(e, file=sys.stderr)
            failed += 1
            continue
        right = f'{sum(o == "right" for o in marks.values())} of {len(marks)}'
        rows.append({'notebook': str(path), **marks, 'right': right})
        print(f'{path}: {", ".join(f"{k} {v}" for k, v in marks.items())}; {right} right', flush=True)
    if args.csv: _write_csv(args.csv, rows)
    return 1 if failed else 0


def _write_csv(path, rows):
    "A line for each returned notebook, a column for each exercise that any of them has"
    numbers = sorted({k for o in rows for k in o} - {'notebook', 'right'})
    with path.open('w', newline='', encoding='utf-8') as f:
        w = csv.DictWriter(f, ['notebook', *numbers, 'right'])
        w.writeheader()
        w.writerows(rows)


if __name__ == '__main__': sys.exit(main())
