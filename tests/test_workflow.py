"What .github/workflows promises agrees with settings.ini"
import re

import pytest
import yaml
from conftest import root


def read(name): return yaml.safe_load((root/'.github'/'workflows'/name).read_text(encoding='utf-8'))


workflow, release = read('test.yml'), read('release.yml')
jobs = workflow['jobs']
pythons = {job: o['strategy']['matrix'].get('python') for job, o in jobs.items() if 'strategy' in o}


def commands(job): return [o['run'] for o in jobs[job]['steps'] if 'run' in o]
def key(version): return tuple(map(int, version.split('.')))


def test_settings_declare_pythons_from_the_lowest_up(settings):
    declared = settings['pythons'].split()
    assert declared[0] == settings['min_python'] and declared == sorted(declared, key=key)
    assert "cfg['pythons']" in (root/'setup.py').read_text()


def test_everything_runs_with_every_python(settings):
    assert pythons['everything'] == settings['pythons'].split()
    assert any('.ci/run' in o for o in commands('everything')) and (root/'.ci'/'run').stat().st_mode & 0o100


def test_lowest_and_newest_on_three_systems(settings):
    declared, matrix = settings['pythons'].split(), jobs['versions']['strategy']['matrix']
    assert matrix['python'] == [declared[0], declared[-1]] and matrix['dependencies'] == ['lowest', 'newest']
    assert sorted(o.split('-')[0] for o in matrix['os']) == ['macos', 'ubuntu', 'windows']
    assert {'python': declared[0], 'dependencies': 'lowest'} not in matrix['exclude']
    assert any('tests/lowest_versions.py' in o for o in commands('versions'))


def test_weekly_and_with_little_power():
    when = workflow.get('on', workflow.get(True))         # YAML 1.1 takes the word `on` for true
    [weekly] = when['schedule']
    assert re.fullmatch(r'\d+ \d+ \* \* \d', weekly['cron'])
    assert workflow['permissions'] == {'contents': 'read'}


def test_wheel_and_sdist_are_built_and_looked_into():
    assert 'python -m build' in commands('build') and any('test_packaging.py' in o for o in commands('build'))


def test_a_tag_publishes_the_one_build_that_was_tested():
    build, test, publish = (release['jobs'][o] for o in ('build', 'test', 'publish'))
    assert (test['needs'], publish['needs']) == ('build', 'test')
    steps = ' '.join(f'{o}' for o in build['steps'])
    assert '__version__' in steps and 'CHANGELOG.md' in steps and 'python -m build' in steps
    for o in test, publish: assert any('download-artifact' in step.get('uses', '') for step in o['steps'])
    assert 'password' not in f'{publish}' and publish['permissions'] == {'id-token': 'write'}


@pytest.mark.parametrize('job', [*jobs.values(), *release['jobs'].values()])
def test_no_job_runs_for_ever(job): assert job['timeout-minutes'] <= 90


def test_the_site_is_published_from_what_was_pushed_and_has_passed():
    build = read('pages.yml')['jobs']['build']
    asked = re.split(r'\s*&&\s*', build['if'].partition('||')[2].strip())
    assert asked == [f'github.event.workflow_run.{o}' for o in (
        "conclusion == 'success'", "event == 'push'", 'head_repository.full_name == github.repository')]
