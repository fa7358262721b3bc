"A whole epoch, training and validation; ours before and after the published one, so that a change of speed shows"
import pytest
from pipelines import fit


@pytest.mark.parametrize('name, turn', [('ours', 1), ('published', 1), ('ours', 2)])
def test_epoch(benchmark, name, turn):
    benchmark.extra_info.update(benchmark.pedantic(fit, (name,), {'seed': turn}, rounds=1))
