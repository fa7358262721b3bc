"The first batches of an epoch: seconds per step, and how long an epoch would take"
import pytest
from pipelines import fit, pipelines


@pytest.mark.parametrize('name', pipelines)
@pytest.mark.parametrize('turn', range(2))
def test_first_batches(benchmark, name, turn):
    benchmark.extra_info.update(benchmark.pedantic(fit, (name, 60, 20), rounds=1))
