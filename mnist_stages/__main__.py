"The command `mnist_stages`, also as `python -m mnist_stages`: from here on, Ctrl-C is one line and status 130."
import os
import signal
import sys
import threading


def _quit(signum, frame):
    "End the process at once: while libraries are imported, a `KeyboardInterrupt` may be lost or become another error"
    try: os.write(2, b'\nmnist_stages: interrupted, nothing was saved\n')
    finally: os._exit(130)


def command() -> int: # Exit status, as `mnist_stages.app.cli.main` gives it; an interrupt ends the process with 130
    "`main` for a terminal. Where SIGINT is ignored already, as in a shell's background job, it stays ignored."
    in_main_thread = threading.current_thread() is threading.main_thread()
    own = in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if own: signal.signal(signal.SIGINT, _quit)
    from .app.cli import main      # only now: this takes some milliseconds, and what it imports later seconds
    try: return main()
    finally:
        if own: signal.signal(signal.SIGINT, signal.SIG_DFL)       # all is said: an interrupt may end Python, silently


if __name__ == '__main__': sys.exit(command())
