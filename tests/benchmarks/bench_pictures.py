"One photograph of a megapixel, prepared"
import io

import numpy as np
import pytest
from PIL import Image

from mnist_stages.resnet18 import prepare_digit
from mnist_stages.tools.files import load_mnist
from photographs import photograph


def megapixel(kind):
    "A JPEG of 1000 × 1000 pixels"
    a = photograph(load_mnist().valid_images[0].numpy(), kind, 1, np.random.default_rng(1))
    out = io.BytesIO()
    Image.fromarray(a).resize((1000, 1000)).save(out, 'jpeg')
    return out.getvalue()


def opened(buf): return Image.open(io.BytesIO(buf)).convert('L').resize((320, 320))


@pytest.mark.parametrize('name', ['ours', 'Pillow: opened and made smaller, no more'])
@pytest.mark.parametrize('turn', range(2))
@pytest.mark.benchmark(group='prepare_digit: a photograph of a megapixel on squared paper')
def test_squared_paper(benchmark, name, turn):
    benchmark.pedantic(prepare_digit if name == 'ours' else opened, (megapixel('squared'),), rounds=10, warmup_rounds=1)


@pytest.mark.parametrize('name', ['ours', 'Pillow: opened and made smaller, no more'])
@pytest.mark.parametrize('turn', range(2))
@pytest.mark.benchmark(group='prepare_digit: a photograph of a megapixel, coloured ink')
def test_coloured_ink(benchmark, name, turn):
    benchmark.pedantic(prepare_digit if name == 'ours' else opened, (megapixel('coloured ink'),), rounds=10,
                       warmup_rounds=1)
