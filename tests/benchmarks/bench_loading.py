"Getting MNIST: into memory, and as 70,000 PNG files"
import pytest
from fastai.data.external import URLs
from torchvision.datasets import MNIST

from mnist_stages.tools.files import _unpacked, load_mnist, mnist_md5, read_mnist_file, untar_mnist


@pytest.fixture(scope='session')
def raw(tmp_path_factory):
    "The shipped files, unpacked where torchvision looks for them"
    folder = tmp_path_factory.mktemp('torchvision')
    (folder/'MNIST'/'raw').mkdir(parents=True)
    for o in mnist_md5: (folder/'MNIST'/'raw'/o).write_bytes(read_mnist_file(o))
    return folder


@pytest.mark.parametrize('name', ['ours', 'ours, again', "torchvision's MNIST: unpacked files, not checked"])
@pytest.mark.parametrize('turn', range(2))
@pytest.mark.benchmark(group='load_mnist(): unpacked and checked')
def test_into_memory(benchmark, raw, name, turn):
    load = load_mnist if 'ours' in name else lambda: [MNIST(raw, train=o) for o in (True, False)]
    benchmark.pedantic(load, setup=_unpacked.cache_clear if name == 'ours' else None, rounds=4, warmup_rounds=1)


# The runner gives an empty cache, so that the first call writes all files.
@pytest.mark.parametrize('name, rounds', [('first call', 1), ('ours', 20)])
@pytest.mark.benchmark(group='untar_mnist(URLs.MNIST), second call')
def test_as_files(benchmark, name, rounds):
    benchmark.pedantic(lambda: untar_mnist(URLs.MNIST, show_progress=False), rounds=rounds)
