"The drawing pad in JupyterLab in Chromium: draw, and see the models answer; what notebooks show without a browser"
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import code_cells, notebook_names, root, source
from photographs import photograph
from PIL import Image

from mnist_stages.tools.files import load_mnist

pytest.importorskip('selenium')
from browser import browser, complaints, find_browser, jupyter, need, run_all, set_theme, wait
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

preparation = '''
from mnist_stages.app.pad import DigitPad
from mnist_stages.app.stages import stage_linear, stage_manual_sgd, stage_pixel_similarity, stage_relu_net
from mnist_stages.tools.files import load_mnist
from mnist_stages.tools.results import StageResult
import torch
from torch import nn

def conv(ni, nf): return nn.Sequential(nn.Conv2d(ni, nf, 3, stride=2, padding=1), nn.BatchNorm2d(nf), nn.ReLU())
torch.manual_seed(1)
net = nn.Sequential(conv(1, 16), conv(16, 32), conv(32, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
m, opt = load_mnist(), torch.optim.AdamW(net.parameters(), lr=5e-3)
for xb, yb in zip(m.train_images[:25600].split(128), m.train_labels.split(128)):
    nn.functional.cross_entropy(net(xb[:, None]/255), yb).backward()
    opt.step()
    opt.zero_grad()
net.eval()
def predict(images):
    with torch.no_grad(): return net(images[:, None]).softmax(1)
four = StageResult(stage=4, approach='a small net', digits='0 to 9', parameters=0, epochs=1, accuracy=.95, seconds=5,
                   predict=predict)
results = [stage_pixel_similarity(), stage_manual_sgd(epochs=5), stage_linear(epochs=3), stage_relu_net(epochs=5), four]
'''


def pad_cell():
    "The source of the notebook's own cell with the pad"
    own = [source(c) for c in code_cells('04_resnet18') if re.search(r'\bDigitPad\(results\)', source(c))]
    assert len(own) == 1
    return own[0]


def notebook(*sources):
    "A notebook of these code cells"
    cells = [dict(cell_type='code', metadata={}, source=o, outputs=[], execution_count=None) for o in sources]
    kernel = dict(kernelspec=dict(display_name='python3', language='python', name='python3'))
    return dict(cells=cells, metadata=kernel, nbformat=4, nbformat_minor=4)


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    "The notebook's own pad cell, run in JupyterLab after a quick training of all stages"
    find_browser(), need('chromedriver')
    work = tmp_path_factory.mktemp('browser')
    (work/'nbs').mkdir()
    (work/'nbs/pad.ipynb').write_text(json.dumps(notebook(preparation, pad_cell())))
    with jupyter(work/'nbs', work) as address, browser(work) as driver:
        cells = run_all(driver, address('pad.ipynb'), 300)
        assert not complaints(cells)
        wait(driver, lambda d: d.find_element(By.CSS_SELECTOR, '.mnist-pad .paper').is_displayed(), 30, 'no pad')
        driver.execute_script("document.querySelector('.mnist-pad').scrollIntoView()")
        yield driver


def in_pad(driver, selector): return driver.find_elements(By.CSS_SELECTOR, f'.mnist-pad {selector}')
def answers(driver): return {o.get_attribute('data-stage'): o.get_attribute('data-digit') for o in in_pad(driver, 'li')}
def button(driver, text): return next(o for o in in_pad(driver, 'button') if o.text == text)


def ink(driver):
    "How many pixels of the paper are dark"
    return driver.execute_script('''
        const o = document.querySelector('.mnist-pad .paper');
        return o.getContext('2d').getImageData(0, 0, 280, 280).data.filter((v, i) => i % 4 === 0 && v < 128).length''')


def clear(driver):
    button(driver, 'Clear').click()
    wait(driver, lambda d: not answers(d) and ink(d) == 0, 10, 'not cleared')
    assert not driver.find_element(By.CSS_SELECTOR, '.mnist-pad .prepared').is_displayed()


def draw(driver, points, steps=8):
    "Press, move from point to point (from 0 to 280), let go"
    paper = driver.find_element(By.CSS_SELECTOR, '.mnist-pad .paper')
    moves = ActionChains(driver, duration=10)
    def move(x, y): return moves.move_to_element_with_offset(paper, round(x) - 140, round(y) - 140)
    move(*points[0]).click_and_hold()
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        for i in range(1, steps + 1): move(x0 + (x1 - x0)*i/steps, y0 + (y1 - y0)*i/steps)
    moves.release().perform()


def read(driver): return wait(driver, lambda d: len(answers(d)) == 5 and answers(d), 20, 'no answers')


def contrast(driver, selector):
    "The contrast of a text with what is behind it, after WCAG: 1 is none, 4.5 is readable"
    colours = driver.execute_script('''
        let o = document.querySelector(arguments[0]), back = o;
        while (getComputedStyle(back).backgroundColor.replaceAll(' ', '').endsWith(',0)')) back = back.parentElement;
        return [getComputedStyle(o).color, getComputedStyle(back).backgroundColor]''', selector)

    def luminance(text):
        numbers = [float(o)/255 for o in re.findall(r'[\d.]+', text)[:3]]
        linear = [o/12.92 if o <= .04045 else ((o + .055)/1.055)**2.4 for o in numbers]
        return sum(w*o for w, o in zip((.2126, .7152, .0722), linear))
    low, high = sorted(map(luminance, colours))
    return (high + .05)/(low + .05)


def test_a_drawn_seven_is_read(page):
    clear(page)
    draw(page, [(75, 75), (205, 70), (130, 235)])
    assert ink(page) > 2000
    said = read(page)
    assert said['4'] == '7'
    assert list(said.values()).count('7') >= 4, said
    rows = {o.get_attribute('data-stage'): o.text for o in page.find_elements(By.CSS_SELECTOR, '.mnist-pad li')}
    assert 'no confidence' in rows['0'] and '%' not in rows['0']
    for stage in '123': assert '3 or 7 only' in rows[stage] and '%' in rows[stage]
    assert '%' in rows['4'] and 'only' not in rows['4']
    assert page.find_element(By.CSS_SELECTOR, '.mnist-pad .prepared').is_displayed()
    prepared = page.execute_script('''
        const o = document.querySelector('.mnist-pad .prepared');
        return [...o.getContext('2d').getImageData(0, 0, 28, 28).data]''')
    dark = [i for i in range(784) if prepared[4*i] < 128]
    assert max(i//28 for i in dark) - min(i//28 for i in dark) in (18, 19)


def test_a_second_stroke_changes_the_answers(page):
    clear(page)
    draw(page, [(75, 75), (205, 70)])
    read(page)
    before = page.find_element(By.CSS_SELECTOR, '.mnist-pad ul').text
    draw(page, [(205, 70), (130, 235)])
    wait(page, lambda d: page.find_element(By.CSS_SELECTOR, '.mnist-pad ul').text != before, 20, 'the answers stayed')


def figures(driver): return [o.get_attribute('textContent') for o in in_pad(driver, 'figcaption')]


def test_a_photograph_is_read_and_its_steps_are_shown(page, tmp_path):
    clear(page)
    digit, random = load_mnist().valid_images[0].numpy(), np.random.default_rng(1)
    Image.fromarray(photograph(digit, 'hard shadow', 1, random)).save(tmp_path/'seven.jpg')
    in_pad(page, 'input[type=file]')[0].send_keys(str(tmp_path/'seven.jpg'))
    assert read(page)['4'] == '7'
    assert not figures(page)
    page.execute_script('arguments[0].click()', in_pad(page, 'summary')[0])
    wait(page, lambda d: len(figures(d)) == 7, 10, 'no steps')
    assert figures(page)[-1] == 'centred in 28 × 28' and in_pad(page, 'figcaption')[0].is_displayed()


def test_what_is_refused_shows_how_far_it_came(page):
    clear(page)
    draw(page, [(60, 100), (60, 200)])
    draw(page, [(200, 100), (240, 200), (200, 100), (200, 200)])
    wait(page, lambda d: 'more than one digit' in in_pad(d, '[role=status]')[0].text, 20, 'not refused')
    assert figures(page) == ['the picture', 'what is narrow', 'without lines'] and not answers(page)
    assert in_pad(page, 'figcaption')[0].is_displayed()


def test_a_file_that_the_browser_cannot_read(page, tmp_path):
    clear(page)
    (tmp_path/'photo.heic').write_bytes(b'no picture')
    in_pad(page, 'input[type=file]')[0].send_keys(str(tmp_path/'photo.heic'))
    wait(page, lambda d: 'cannot read photo.heic' in in_pad(d, '[role=status]')[0].text, 20, 'nothing said')


def test_keyboard_alone(page):
    clear(page)
    page.execute_script('arguments[0].focus()', button(page, 'Example'))
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert read(page)['4'] == '3'
    page.switch_to.active_element.send_keys(Keys.SHIFT, Keys.TAB)
    assert page.switch_to.active_element.text == 'Clear'
    page.switch_to.active_element.send_keys(Keys.SPACE)
    wait(page, lambda d: not answers(d), 10, 'not cleared')


def test_said_aloud(page):
    page.execute_script('arguments[0].click()', button(page, 'Example'))
    wait(page, lambda d: len(answers(d)) == 5, 20, 'no answers')
    [spoken] = in_pad(page, '.spoken[role=status]')
    said = spoken.get_attribute('textContent').split(', ')
    assert [o.rpartition(': ')[2] for o in said] == list(answers(page).values()) and 'small net' in said[-1]
    assert all(o.get_attribute('aria-label') for o in page.find_elements(By.CSS_SELECTOR, '.mnist-pad canvas'))


@pytest.mark.parametrize('theme', ['dark', 'light'])
def test_readable_in_light_and_dark(page, theme, tmp_path):
    clear(page)
    draw(page, [(75, 75), (205, 70), (130, 235)])
    read(page)
    set_theme(page, theme)
    assert page.save_screenshot(str(tmp_path/f'{theme}.png'))
    for o in ('.hint', 'li', '.digit', '.only', '.share', 'button'): assert contrast(page, f'.mnist-pad {o}') >= 4.5, o


def test_nothing_went_wrong_in_the_browser(page):
    ordinary = 'favicon', 'Canceled future'      # what JupyterLab itself says when a kernel is restarted
    assert not [o for o in page.get_log('browser') if not any(text in o['message'] for text in ordinary)]


def test_run_to_be_read(tmp_path):
    "`jupyter execute` leaves one line of text, and nothing of a widget"
    nb = notebook('from mnist_stages.app.pad import DigitPad\nresults = []', pad_cell())
    (tmp_path/'pad.ipynb').write_text(json.dumps(nb))
    env = os.environ | dict(PYTHONPATH=os.pathsep.join([str(root), os.environ.get('PYTHONPATH', '')]))
    execute = [sys.executable, '-m', 'jupyter', 'execute', '--inplace', tmp_path/'pad.ipynb']
    subprocess.run(execute, env=env, check=True, capture_output=True)
    text = (tmp_path/'pad.ipynb').read_text(encoding='utf-8')
    assert [list(o['data']) for o in json.loads(text)['cells'][1]['outputs']] == [['text/plain']]
    assert 'widget' not in text.replace('ipywidgets', '')


@pytest.mark.parametrize('name', notebook_names)
def test_no_widget_is_committed(name):
    """A widget without its kernel shows as an error.

    After drawing in a notebook, clear the pad's output before committing, or run it with `jupyter execute --inplace`.
    """
    text = (root/'nbs'/f'{name}.ipynb').read_text(encoding='utf-8')
    assert 'application/vnd.jupyter.widget' not in text, 'clear the output of the cell with the drawing pad'
