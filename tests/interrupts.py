"""Interrupt the command twenty times, each at a random moment of its first ten seconds, and print what came of it.

    python tests/interrupts.py                     # two minutes; exit status 1 if one was not as it should be
    python tests/interrupts.py --times 100 --seed 7
    python tests/interrupts.py --seconds 3         # more of them while libraries are imported

By hand, since what is hit depends on the machine's speed; tests/test_cli.py hits chosen moments. Each is to be one line
on standard error and exit status 130, with nothing left behind. It begins at 0.05 seconds, when Python itself has
started. POSIX only.
"""
import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

line = 'mnist_stages: interrupted, nothing was saved'


def interrupt(after, folder):
    "Interrupt the command `after` so many seconds. Gives its status, what it said, and the files it left."
    ctrl_c = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)      # as in a terminal, also under nohup
    p = subprocess.Popen([sys.executable, '-m', 'mnist_stages'], cwd=folder, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, preexec_fn=ctrl_c)
    time.sleep(after)
    p.send_signal(signal.SIGINT)
    stdout, stderr = p.communicate(timeout=60)
    return p.returncode, stdout, stderr, [o.name for o in Path(folder).iterdir()]


def judge(status, stdout, stderr, left):
    "How far it was, and what is not as it should be, or ''"
    *before, last = stderr.splitlines() or ['']
    done = [o for o in before if '  done  ' in o]
    others = [o for o in before if o and o not in done]
    wrong = [f'status {status}']*(status != 130) + ['standard output']*bool(stdout) + ['files']*bool(left)
    wrong += ['no line at the end']*(last != line) + [f'also said: {o}' for o in others]
    return f'{len(done)} stages done', '; '.join(wrong)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--times', type=int, default=20)
    p.add_argument('--seconds', type=float, default=10)
    p.add_argument('--seed', type=int, default=int(time.time()))
    args = p.parse_args()
    random.seed(args.seed)
    bad = 0
    print(f'seed {args.seed}\n')
    print('| after | status | lines | how far | as it should be |\n|---|---|---|---|---|', flush=True)
    for after in sorted(random.uniform(.05, args.seconds) for _ in range(args.times)):
        with tempfile.TemporaryDirectory() as folder: status, stdout, stderr, left = interrupt(after, folder)
        far, wrong = judge(status, stdout, stderr, left)
        bad += bool(wrong)
        lines = sum(o == line for o in stderr.splitlines())
        print(f'| {after:.2f} s | {status} | {lines} | {far} | {wrong or "yes"} |', flush=True)
    print(f'\n{args.times - bad} of {args.times} times one line and status 130')
    return int(bad > 0)


if __name__ == '__main__': sys.exit(main())
