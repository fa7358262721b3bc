"The examples in README, run as they stand there; training is cut short"
import re
import subprocess
import sys

import pytest
from conftest import root

from mnist_stages.resnet18 import draw_strokes, example_strokes

examples = re.findall(r'^```python\n(.*?)^```$', (root/'README.md').read_text(encoding='utf-8'), flags=re.M | re.S)


def test_there_are_some(): assert len(examples) >= 2


@pytest.mark.parametrize('code', examples)
def test_an_example_runs(code, tmp_path):
    draw_strokes(example_strokes[7]).convert('RGB').save(tmp_path/'photo.jpg')
    short = f'import sys; sys.path.insert(0, {str(root/"tests")!r})\nfrom twice import shorten\nshorten()\n'
    done = subprocess.run([sys.executable, '-c', short + code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.search(r'\d', done.stdout)
