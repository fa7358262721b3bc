"""JupyterLab in a real browser: what test_browser.py drives, and a command that runs whole notebooks as a reader would.

    python tests/browser.py                          all five, Restart Kernel and Run All Cells (minutes each)
    python tests/browser.py 00_data --out shots      one of them; every figure as a picture, light and dark
    python tests/browser.py --app notebook           in Jupyter Notebook
"""
import argparse
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from conftest import need, notebook_names, root
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

flags = '''--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars
    --force-device-scale-factor=1 --window-size=1300,1000'''.split()
labs = dict(lab=('lab', 'LabApp', 'lab/tree'), notebook=('notebook', 'JupyterNotebookApp', 'notebooks'))
themes = dict(light='JupyterLab Light', dark='JupyterLab Dark')
quiet = {'apputils-extension/notification': dict(fetchNews='false', checkForUpdates=False),
         'notebook-extension/tracker': dict(windowingMode='none')}
#: Folders of Jupyter's and IPython's, each of which a server gets for itself
own_folders = {'JUPYTERLAB_SETTINGS_DIR': 'settings', 'JUPYTERLAB_WORKSPACES_DIR': 'workspaces',
               'JUPYTER_CONFIG_DIR': 'config', 'JUPYTER_DATA_DIR': 'data', 'JUPYTER_RUNTIME_DIR': 'runtime',
               'IPYTHONDIR': 'ipython'}


def find_browser():
    "Debian's Chromium, or what else is there"
    known = 'chromium', 'chromium-browser', 'google-chrome'
    return next(filter(None, map(shutil.which, known)), None) or need('chromium')


@contextmanager
def browser(work):
    "Headless Chromium with a profile of its own. Selenium fetches nothing: it is told where the driver is."
    options = ChromeOptions()
    options.binary_location = find_browser()
    for o in [*flags, f'--user-data-dir={work/"profile"}']: options.add_argument(o)
    options.set_capability('goog:loggingPrefs', {'browser': 'SEVERE'})
    driver = Chrome(options=options, service=Service(executable_path=need('chromedriver')))
    # JupyterLab's current widget is what has the focus, and a page without a window may never get it.
    driver.execute_cdp_cmd('Emulation.setFocusEmulationEnabled', {'enabled': True})
    try: yield driver
    finally: driver.quit()


@contextmanager
def jupyter(folder, work, app='lab'):
    """A Jupyter server on `folder` with settings, data and history of its own.

    Gives a function from a notebook's name to its address.
    """
    command, name, tree = labs[app]
    for o, settings in quiet.items():
        path = work/'settings/@jupyterlab'/f'{o}.jupyterlab-settings'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    token = secrets.token_hex(16)
    env = {k: v for k, v in os.environ.items() if k != 'MPLBACKEND'}
    env |= {k: str(work/v) for k, v in own_folders.items()}
    env['PYTHONPATH'] = os.pathsep.join([str(root), os.environ.get('PYTHONPATH', '')])
    options = [f'--ServerApp.port={port}', '--ServerApp.ip=127.0.0.1', f'--IdentityProvider.token={token}',
               f'--ServerApp.root_dir={folder}', f'--{name}.expose_app_in_browser=True', '--no-browser',
               '--allow-root']
    program = f'jupyter{command}' if app == 'lab' else command
    with open(work/'server.log', 'w') as log:
        server = subprocess.Popen([sys.executable, '-m', program, *options], env=env, stdout=log, stderr=log)
    try:
        for _ in range(240):
            if server.poll() is not None: raise RuntimeError((work/'server.log').read_text())
            try: urlopen(f'http://127.0.0.1:{port}/api?token={token}', timeout=5).close()
            except OSError: time.sleep(.25)
            else: break
        else: raise TimeoutError(f'Jupyter did not start: {(work/"server.log").read_text()}')
        yield lambda notebook: f'http://127.0.0.1:{port}/{tree}/{notebook}?token={token}'
    finally:
        server.terminate()      # which ends its kernels too
        try: server.wait(20)
        except subprocess.TimeoutExpired: server.kill()


def wait(driver, condition, seconds, what):
    "Wait until `condition(driver)` gives something, and give that"
    return WebDriverWait(driver, seconds, poll_frequency=.2, ignored_exceptions=[Exception]).until(condition, what)


cells_js = '''
    const panel = window.jupyterapp.shell.currentWidget;
    const busy = panel.context.sessionContext.session.kernel.status !== 'idle';
    return [busy, panel.content.widgets.filter(o => o.model.type === 'code').map(o => (
        {source: o.model.sharedModel.getSource(), state: o.promptNode?.textContent ?? '',
         outputs: o.model.outputs.toJSON()}))];'''
opened_js = '''
    const panel = window.jupyterapp?.shell.currentWidget;
    return panel?.context?.sessionContext?.session?.kernel?.status === 'idle' && panel.content.widgets.length'''


def run_all(driver, url, seconds):
    """Open a notebook, Restart Kernel and Run All Cells, wait for the end.

    Gives its code cells: 'source', 'state', 'outputs'.
    """
    driver.get(url)
    wait(driver, lambda d: d.execute_script(opened_js), 90, f'{url} did not open')

    def yes(d): return d.find_element(By.CSS_SELECTOR, '.jp-Dialog button.jp-mod-accept')
    def begun(d): return any('*' in o['state'] for o in d.execute_script(cells_js)[1])
    for i in range(3):        # JupyterLab now and then restarts and then runs nothing
        driver.execute_script("window.jupyterapp.commands.execute('notebook:restart-run-all')")
        wait(driver, yes, 20, 'no question whether to restart').click()
        try: wait(driver, begun, 30, f'{url}: nothing began to run')
        except TimeoutException:
            if i == 2: raise
        else: break

    def ended(d):
        busy, cells = d.execute_script(cells_js)
        return not busy and not any('*' in o['state'] for o in cells) and cells
    cells = wait(driver, ended, seconds, f'{url} did not end in {seconds} seconds')
    time.sleep(1)      # outputs may still be on their way
    return driver.execute_script(cells_js)[1] or cells


def set_theme(driver, name):
    "Light or dark, and wait until it is there"
    change = "window.jupyterapp.commands.execute('apputils:change-theme', {theme: arguments[0]})"
    driver.execute_script(change, themes[name])
    said = str(name == 'light').lower()

    def changed(d): return d.find_element(By.TAG_NAME, 'body').get_attribute('data-jp-theme-light') == said
    wait(driver, changed, 20, f'no {name} theme')
    time.sleep(.5)


def complaints(cells):
    "Errors, warnings and whatever else was written to standard error, each with the first line of its cell"
    def wrong(out): return out['output_type'] == 'error' or out.get('name') == 'stderr'
    def said(out): return out.get('ename') or 'stderr', out.get('evalue') or ''.join(out.get('text', ''))
    return [(o['source'].splitlines()[0], *said(out)) for o in cells for out in o['outputs'] if wrong(out)]


def take_pictures(driver, name, out):
    "Every figure, light and dark, as a file in the folder `out`. Gives their number."
    shots, figures = 0, '.jp-OutputArea-output img, .jp-OutputArea-output svg, .mnist-pad'
    for theme in themes:
        set_theme(driver, theme)
        for i, o in enumerate(driver.find_elements(By.CSS_SELECTOR, figures)):
            driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", o)
            if o.size['height'] > 10: shots += o.screenshot(str(out/f'{name}_{theme}_{i:02}.png'))
    return shots


def main():
    "Run notebooks in the browser; exit status 1 if there was anything to complain about"
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('names', nargs='*', default=notebook_names, help='notebooks, without .ipynb (default: all five)')
    p.add_argument('--app', choices=labs, default='lab', help='JupyterLab or Jupyter Notebook')
    p.add_argument('--out', type=Path, default=Path(tempfile.gettempdir())/'screenshots',
                   help='folder for the pictures')
    p.add_argument('--seconds', type=int, default=1200, help='how long a notebook may take')
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    bad = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tmp:
        work = Path(tmp)
        shutil.copytree(root/'nbs', work/'nbs')
        with jupyter(work/'nbs', work, args.app) as address, browser(work) as driver:
            for name in args.names:
                start = time.time()
                cells = run_all(driver, address(f'{name}.ipynb'), args.seconds)
                found = complaints(cells)
                idle = [o for o in cells if o['state'].strip() in ('[ ]:', '[ ]') and o['source'].strip()]
                shots = take_pictures(driver, name, args.out)
                errors = [o['message'] for o in driver.get_log('browser')]
                bad += len(found) + len(idle)
                print(f'{name}: {len(cells)} code cells in {time.time() - start:.0f} s, {len(idle)} not run, '
                      f'{len(found)} errors or warnings, {shots} pictures, '
                      f'{len(errors)} messages of the browser', flush=True)
                for o in found: print('   ', *o, flush=True)
                for o in errors: print('    browser:', o[:300], flush=True)
    print(f'pictures are in {args.out}')
    return int(bad > 0)


if __name__ == '__main__': sys.exit(main())
