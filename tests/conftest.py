import os
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

root = Path(__file__).parent.parent


@pytest.fixture(scope='session')
def settings():
    "The metadata in settings.ini"
    config = ConfigParser(delimiters=['='], interpolation=None)
    config.read(root/'settings.ini', encoding='utf-8')
    return config['DEFAULT']


@pytest.fixture
def python(tmp_path):
    "Run Python code in a process of its own, away from the checkout and with an empty fastai cache"
    def run(code, **env):
        env = {**os.environ, 'FASTAI_HOME': str(tmp_path/'fastai'), **env}
        return subprocess.run([sys.executable, '-c', code], cwd=tmp_path, env=env, capture_output=True, text=True)
    return run


# Prepended to code that must not reach the network: every attempt to connect fails at once.
no_network = '''
import socket
def refuse(*args, **kwargs): raise OSError('this test allows no network')
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
'''
