"How `nbdev-test` runs the notebooks: one after the other, since two trainings at once are several times slower."
import sys


def nbdev_one_at_a_time(
    cells, # The code cells to be tested, as nbdev passes them; not needed
):
    "Make `nbdev-test` run one notebook at a time, each in a process of its own where Python can do that (from 3.11 on)"
    import nbdev.test      # a tool of developers, which users need not have
    parallel = nbdev.test.parallel
    fresh = {'max_tasks_per_child': 1} if sys.version_info >= (3, 11) else {}

    def one_at_a_time(*args, n_workers=None, **kwargs): return parallel(*args, n_workers=1, **fresh, **kwargs)
    nbdev.test.parallel = one_at_a_time
