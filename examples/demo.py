#!/usr/bin/env python3
"""What `make demo` runs: a canary release on this machine, from the first version to the way back.

It builds cutwater, makes a release repository of examples/checkout in a temporary folder, and runs the commands that a person
would, printing each. Then it serves until Ctrl-C; with DEMO_ONCE=1 it ends by itself. The exit code is 0 only if every request
was answered and every split was within four standard deviations of what it was to be.

Only Python's standard library. CUTWATER names a program that is built already.
"""

import collections
import concurrent.futures
import contextlib
import http.client
import json
import math
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
REQUESTS = 500
CONNECTIONS = 5
WIDTH = 60  # of a bar of 100 %
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 60  # seconds for anything that is to happen

COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ
BLOCK = "█" if "utf" in (sys.stdout.encoding or "").lower() else "#"


class Failure(Exception):
    """Something was not as it should be."""


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOURS else text


def say(text=""):
    print(text, flush=True)


def build():
    """The program, built where it is not; without optimisation, which is built sooner, and the demo needs no speed."""
    if "CUTWATER" in os.environ:
        return pathlib.Path(os.environ["CUTWATER"]).resolve()
    if not shutil.which("cargo"):
        raise Failure("cargo is missing; https://rustup.rs says how to get it")
    say("Building cutwater; the first time this takes some minutes.")
    command = ["cargo", "build", "--locked", "--bin", "cutwater", "--message-format=json-render-diagnostics"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode:
        raise Failure("cutwater could not be built; cargo says why above")
    artifacts = map(json.loads, built.stdout.splitlines())
    return next(pathlib.Path(artifact["executable"]) for artifact in artifacts if artifact.get("executable"))


def free_port(usual):
    """The usual port, or another one where that is taken."""
    for port in (usual, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
    raise Failure("no port of 127.0.0.1 is free")


class Demo:
    def __init__(self, program, folder):
        self.shop = folder / "shop"
        self.log = folder / "serve.log"
        self.bin = program.parent
        self.port = self.admin = None
        self.serving = None
        # No setting of the person's own, such as a signing key that asks for its password, belongs to the demo.
        own = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "CUTWATER"))}
        self.env = own | {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }

    def run(self, command):
        """Prints a command and runs it as a shell would."""
        say(paint(1, f"$ {command}"))
        done = subprocess.run(["sh", "-ec", command], cwd=self.shop, env=self.env, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise Failure(f"that failed:\n{done.stderr}")

    def make_repository(self):
        say(f"A release repository of examples/checkout, in {self.shop}:\n")
        shutil.copytree(ROOT / "examples/checkout", self.shop)
        say(paint(1, f"$ cd {self.shop}"))
        self.run("git init --quiet --bare --initial-branch=main ../shop.git")
        self.run("git init --quiet --initial-branch=main && git remote add origin ../shop.git")
        self.run("git config user.name You && git config user.email you@example.com")
        self.run("git add --all && git commit --quiet -m 'The shop' && git push --quiet -u origin main")

    def publish(self):
        say("\nTwo versions, the second with another title in another colour:\n")
        self.run("cutwater versions publish checkout")
        self.run("sed -i 's/#30506b\">Your cart/#b3541e\">Your new cart/' apps/checkout/public/index.html")
        self.run("git commit --quiet -a -m 'A new cart' && git push --quiet")
        self.run("cutwater versions publish checkout")

    def serve(self):
        say("\nThey run on this machine, and version 1 gets all requests; then one in ten is for version 2:\n")
        self.port, self.admin = free_port(8080), free_port(8081)
        addresses = f"--listen 127.0.0.1:{self.port} --admin 127.0.0.1:{self.admin}"
        if self.admin != 8081:
            # Where the commands that wait ask for what is served.
            self.env["CUTWATER_ADMIN"] = f"127.0.0.1:{self.admin}"
            say(paint(1, f"$ export CUTWATER_ADMIN={self.env['CUTWATER_ADMIN']}"))
        command = f"cutwater serve --state ../state {addresses}"
        say(paint(1, f"$ {command} &"))
        with self.log.open("wb") as log:
            self.serving = subprocess.Popen(
                ["sh", "-c", f"exec {command}"], cwd=self.shop, env=self.env, stdout=log, stderr=log
            )
        end = time.monotonic() + PATIENCE
        status = {}
        while time.monotonic() < end:
            if self.serving.poll() is not None:
                raise Failure("cutwater serve has ended")
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/status", timeout=5) as answer:
                    status = json.load(answer)
                splits = status["apps"].get("checkout", {}).get("splits", {})
                if splits.get("cwd/checkout", {}).get("complete"):
                    return
            time.sleep(0.05)
        raise Failure(f"version 1 is not served after {PATIENCE} s: {json.dumps(status, indent=2)}")

    def until_recorded(self, count):
        """Waits until so many deployments are in the ledger, for which nothing else waits."""
        command = ["cutwater", "deployments", "list", "checkout", "--json"]
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            listed = subprocess.run(command, cwd=self.shop, env=self.env, stdout=subprocess.PIPE, text=True)
            if listed.returncode == 0:
                places = [entry["source"] for entry in json.loads(listed.stdout)["deployments"]]
                if places.count("ledger") >= count:
                    return
            time.sleep(0.05)
        raise Failure(f"the ledger has not all deployments after {PATIENCE} s: {listed.stdout}")

    def ask(self, count):
        """Which versions answered so many requests, one after the other on one connection."""
        versions = collections.Counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        for _ in range(count):
            try:
                connection.request("GET", "/api/cart", headers={"Host": f"shop.localhost:{self.port}"})
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                raise Failure(f"a request got no answer: {error!r}") from error
            if answer.status != 200:
                raise Failure(f"a request was answered with {answer.status}: {body.decode(errors='replace')}")
            # The program of the version says which it is.
            versions[json.loads(body)["version"]] += 1
        connection.close()
        return versions

    def show_split(self, wanted):
        """Sends requests, shows who answered, and compares it with the percentages that are wanted."""
        with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
            parts = pool.map(self.ask, [REQUESTS // CONNECTIONS] * CONNECTIONS)
            counts = sum(parts, collections.Counter())
        say(f"\n  {REQUESTS} requests to http://shop.localhost:{self.port}/api/cart")
        for version, colour in ((1, 34), (2, 33)):
            part = counts[version] / REQUESTS
            bar = BLOCK * round(part * WIDTH)
            say(f"  v{version} {paint(colour, bar)}{' ' * (WIDTH - len(bar))} {100 * part:5.1f} %")
        say()
        for version in counts.keys() | wanted.keys():
            share = wanted.get(version, 0) / 100
            deviation = math.sqrt(REQUESTS * share * (1 - share))
            if abs(counts[version] - REQUESTS * share) > 4 * deviation:
                raise Failure(f"v{version} answered {counts[version]} of {REQUESTS} requests, and was to have {share:.0%}")

    def release(self):
        self.run("cutwater deploy checkout v1 v2=10 --wait --message 'One in ten tries the new cart'")
        self.show_split({1: 90, 2: 10})
        self.run("cutwater deploy checkout v1=50 v2=50 --wait --message 'Half of the requests'")
        self.show_split({1: 50, 2: 50})
        self.run("cutwater rollback checkout --wait --message 'The new cart loses orders'")
        self.show_split({1: 100})
        self.until_recorded(4)
        self.run("cutwater deployments list checkout")

    def wait(self):
        shop, staging = (f"http://{name}.localhost:{self.port}/" for name in ("shop", "staging"))
        status = f"http://127.0.0.1:{self.admin}/status"
        say(
            f"""
It serves until you press Ctrl-C. To try next, in another terminal:

  cd {self.shop}
  PATH={self.bin}:$PATH
  cutwater deploy checkout v1 v2=25
  curl {shop}api/cart
  curl -H 'Cutwater-Version-checkout: 2' {shop}api/cart

  {shop:<32} the page, in a browser
  {staging:<32} an alias: v1, and v2 for one in four
  {status:<32} what is served; /metrics counts it
"""
        )
        self.serving.wait()
        raise Failure("cutwater serve has ended")

    def end(self):
        if self.serving and self.serving.poll() is None:
            self.serving.terminate()
            try:
                self.serving.wait(timeout=2)
            except subprocess.TimeoutExpired:
                # It waits for the socket of a page that is open. Its programs end with it, whatever ends it.
                self.serving.kill()
                self.serving.wait()


def remove(folder):
    """Removes a folder also where folders in it are read-only, as checkouts of versions are."""
    for path, _, _ in os.walk(folder):
        os.chmod(path, stat.S_IRWXU)
    shutil.rmtree(folder)


def interrupt(*_):
    """Ends the demo; what is to be taken away then is not to be interrupted again."""
    for name in SIGNALS:
        signal.signal(name, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    for name in SIGNALS:
        signal.signal(name, interrupt)
    demo, folder = None, None
    try:
        if not shutil.which("git"):
            raise Failure("git is missing; on Debian: apt-get install git")
        program = build()
        folder = pathlib.Path(tempfile.mkdtemp(prefix="cutwater-demo-"))
        demo = Demo(program, folder)
        demo.make_repository()
        demo.publish()
        demo.serve()
        demo.release()
        if os.environ.get("DEMO_ONCE", "0") in ("", "0"):
            demo.wait()
        return 0
    except KeyboardInterrupt:
        say()
        return 0 if demo and demo.serving else 130
    except Failure as failure:
        say(paint(31, f"\nThe demo failed: {failure}"))
        if demo and demo.log.exists():
            say(f"The log of cutwater serve ends with\n{''.join(demo.log.open(errors='replace').readlines()[-20:])}")
        return 1
    finally:
        if demo:
            demo.end()
        if folder:
            remove(folder)


if __name__ == "__main__":
    sys.exit(main())
