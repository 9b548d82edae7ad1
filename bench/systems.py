# SPDX-License-Identifier: MIT
"""What is timed, seen from outside: nncc's programs, and peers that answer from processes of their own."""
import json
import os
import selectors
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 300  # seconds that a peer may take to get ready, or to be timed
SYSTEMS = {
    'nncc': 'nncc',
    'eager': 'torch',  # PyTorch as it comes
    'tuned': 'torch tuned',  # freed memory kept; training: fused updates; inference: traced, frozen, optimised
    'last': 'channels last',  # eager, on channels-last tensors, where there are images
    'compile': 'torch.compile',  # model with loss, and the optimiser's step
    'ort': 'onnxruntime',
    'debian': 'torch-debian',  # eager, of Debian's python3-torch, where it is another version
    'openblas': 'OpenBLAS',  # products of matrices alone
    'onednn': 'oneDNN',
    'mm': 'torch.mm',
}
# Freed memory stays mapped: PyTorch has no allocator of its own for CPU tensors, so that large ones cost page faults.
KEEP_MEMORY = {'MALLOC_MMAP_THRESHOLD_': str(1 << 32), 'MALLOC_TRIM_THRESHOLD_': str(1 << 40),
               'MALLOC_TOP_PAD_': str(64 << 20)}


class Failure(Exception):
    """A system cannot do what is asked; says why."""


def environment(threads):
    count = str(threads)
    return dict(os.environ, OMP_NUM_THREADS=count, OPENBLAS_NUM_THREADS=count, MKL_NUM_THREADS=count)


def run_json(command, threads=1, timeout=PATIENCE):
    """The JSON object in the last line that a program prints."""
    try:
        done = subprocess.run(command, env=environment(threads), capture_output=True, text=True, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Failure(str(e)) from e
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise Failure(said[-1] if said else f'exit status {done.returncode}')
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError) as e:
        raise Failure(f'no JSON from {command[0]}') from e


class Program:
    """A program that prints `median_ms`; `command` but for the seconds, which end it."""

    def __init__(self, command, threads):
        self.command, self.threads = command, threads

    def measure(self, seconds):
        said = run_json([*self.command, str(seconds)], self.threads)
        return dict(said, ms=said['median_ms'])


def nncc_program(program, phase, batch, threads):
    return Program([program, 'bench', '--' + phase, '--json', '--batch', str(batch), '--threads', str(threads),
                    '--seconds'], threads)


class Peer:
    """A process of peers.py. It is stopped whenever it is not asked: none of its threads spins into another's time."""

    def __init__(self, python, system, name, threads, log):
        env = environment(threads)
        if system == 'tuned':
            env.update(KEEP_MEMORY)
        how = 'eager' if system in ('debian', 'mm') else system
        self.process = subprocess.Popen([python, os.path.join(HERE, 'peers.py'), how, name, str(threads)], env=env,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.left = b''

    def line(self):
        """The next line that it prints; '': it ended, or took too long."""
        end, out = time.monotonic() + PATIENCE, self.process.stdout
        with selectors.DefaultSelector() as s:
            s.register(out, selectors.EVENT_READ)
            while b'\n' not in self.left:
                got = os.read(out.fileno(), 65536) if s.select(max(0, end - time.monotonic())) else b''
                if not got:
                    return ''
                self.left += got
        line, _, self.left = self.left.partition(b'\n')
        return line

    def ask(self, **request):
        if self.process.poll() is not None:
            raise Failure('its process ended')
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps(request).encode() + b'\n')
            self.process.stdin.flush()
        except OSError as e:
            raise Failure('its process ended') from e
        line = self.line()
        if not line:
            self.close()
            raise Failure('no answer: see peers.log')
        self.process.send_signal(signal.SIGSTOP)
        said = json.loads(line)
        if 'error' in said:
            raise Failure(said['error'])
        return said

    def measure(self, seconds):
        return self.ask(seconds=seconds)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def version_of(python, module):
    """The version of a Python's module; None: it has none."""
    try:
        done = subprocess.run([python, '-c', f'import {module}; print({module}.__version__)'], capture_output=True,
                              text=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def pythons_of_peers():
    """{system: the Python it runs in}, of those in Python that are here and that SYSTEMS does not leave out."""
    peer, debian, found = sys.executable, '/usr/bin/python3', {}
    torch = version_of(peer, 'torch')
    if torch:
        found.update(eager=peer, tuned=peer, last=peer, mm=peer)
        if int(torch.split('.')[0]) >= 2:
            found['compile'] = peer
        if version_of(peer, 'onnxruntime') and version_of(peer, 'onnx'):
            found['ort'] = peer
    if version_of(debian, 'torch') not in (None, torch):
        found['debian'] = debian
    wanted = os.environ.get('SYSTEMS', '').split()
    unknown = [s for s in wanted if s not in SYSTEMS]
    if unknown:
        sys.exit(f'bench: no system "{unknown[0]}": there are {" ".join(SYSTEMS)}')
    return {s: p for s, p in found.items() if not wanted or s in ('eager', *wanted)}


def wants(system):
    """Whether SYSTEMS lets a system in that is not of Python's."""
    wanted = os.environ.get('SYSTEMS', '').split()
    return not wanted or system in wanted
