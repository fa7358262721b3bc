"The short version of tests/faults.py: real faults in real processes, a few of each"
import os
import subprocess
import sys

import pytest
from conftest import cannot, need, root

names = 'kill concurrent full-disk file-limit read-only places shipped cache no-network download idx'.split()
pytestmark = pytest.mark.skipif(os.name == 'nt', reason='fork, SIGKILL and small file systems are POSIX')


@pytest.fixture(scope='module')
def table(tmp_path_factory):
    "For each section: trials and outcome"
    if sys.platform == 'linux':
        for tool in 'mount', 'unshare': need(tool)
    command = [sys.executable, root/'tests'/'faults.py', '--short']
    done = subprocess.run(command, cwd=tmp_path_factory.mktemp('elsewhere'), capture_output=True, text=True)
    print(done.stdout, done.stderr)
    rows = [[x.strip() for x in o.split(' | ')] for o in done.stdout.splitlines() if o.startswith('| ')]
    return {o[0].strip('| '): (int(o[2]), o[4].strip(' |')) for o in rows if o[2].isdigit()}


def test_no_section_is_forgotten(): assert names == [o for o in __import__('faults').sections]


@pytest.mark.parametrize('name', names)
def test_the_data_is_right_or_one_sentence_says_why_not(name, table):
    trials, outcome = table[name]
    if outcome.startswith('skipped: '): cannot(outcome)
    assert not outcome.startswith('FAILED'), outcome
    assert trials > 0
